"""A small API server for tests: lists, watches and events of what a proxy follows, over plain HTTP."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from typing import Any

from api.codec import encode
from api.core import Endpoints, Node, Service
from api.discovery import EndpointSlice
from api.meta import Object

LIMIT_S = 60.0
KINDS = {"services": Service, "endpoints": Endpoints, "endpointslices": EndpointSlice, "nodes": Node}
PLURALS = {kind: plural for plural, kind in KINDS.items()}
SLICES_GROUP = "/apis/discovery.k8s.io/v1"


class ApiServer:
    """Holds objects; every change gets the next version. Close it and open another on the same port to cut it off."""

    def __init__(self, port: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self.version = 0
        self.log: list[tuple[int, str, str, dict[str, Any]]] = []
        """Version, plural, type of change, object."""
        self.changed = threading.Condition()
        self.closing = False
        self.serves_slices = True
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = False
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="test-api")
        self._thread.start()

    def put(self, item: Object) -> None:
        """Make or replace an object."""
        self._change(PLURALS[type(item)], "MODIFIED", json.loads(encode(item)))

    def delete(self, item: Object) -> None:
        """Take an object away."""
        self._change(PLURALS[type(item)], "DELETED", json.loads(encode(item)))

    def items(self, plural: str) -> list[dict[str, Any]]:
        """The objects of one kind as they are."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for _version, kind, change, item in self.log:
            if kind == plural:
                key = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
                found.pop(key, None)
                if change != "DELETED":
                    found[key] = item
        return list(found.values())

    def close(self) -> None:
        """End all watches and stop."""
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT_S)

    def _change(self, plural: str, change: str, item: dict[str, Any]) -> None:
        with self.changed:
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            self.log.append((self.version, plural, change, item))
            self.changed.notify_all()


class _Handler(http.server.BaseHTTPRequestHandler):
    api: ApiServer
    protocol_version = "HTTP/1.0"
    timeout = LIMIT_S

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        plural, parameters = path.rpartition("/")[2], urllib.parse.parse_qs(query)
        if path.startswith(SLICES_GROUP) and not self.api.serves_slices:
            self.send_error(404)
        elif path == SLICES_GROUP:
            self._json({"kind": "APIResourceList"})
        elif plural not in KINDS:
            self.send_error(404)
        elif "watch" in parameters:
            self._watch(plural, int(parameters["resourceVersion"][0]))
        else:
            with self.api.changed:
                self._json({"items": self.api.items(plural), "metadata": {"resourceVersion": str(self.api.version)}})

    def do_POST(self) -> None:
        item = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.api.events.append(item)
        self._json(item)

    do_PATCH = do_POST  # noqa: N815 (the base class calls it so)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _watch(self, plural: str, version: int) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            with self.api.changed:
                self.api.changed.wait(timeout=1.0 if self.api.version == version else 0.0)
                if self.api.closing:
                    return
                fresh = [entry for entry in self.api.log if entry[0] > version]
                version = self.api.version
            try:
                for _version, kind, change, item in fresh:
                    if kind == plural:
                        self.wfile.write(json.dumps({"type": change, "object": item}).encode() + b"\n")
            except OSError:
                return

    def _json(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

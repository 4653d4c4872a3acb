"""A small API server on a real socket: lists, watches, writes, and the troubles that a client must bear."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

from api.codec import encode
from api.errors import AlreadyExists, ApiError, Expired, NotFound
from api.meta import Object
from api.patching import merge_patch
from api.resources import resource_of

LIMIT_S = 10.0


class ApiServer:
    """Holds objects; every change gets the next version. ``refusals`` are errors for the next requests."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.changed = threading.Condition()
        self.version = 0
        self.oldest = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[int, str, dict[str, Any]]] = []
        """Version, type of the change, object."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.tokens: list[str] = []
        """What each request had as its Authorization."""
        self.refusals: list[ApiError] = []
        self.on_request: Callable[[], None] = lambda: None
        self.open: set[socket.socket] = set()
        self.closing = False
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="test-api")
        self._thread.start()

    def put(self, item: Object) -> None:
        """Make or replace an object."""
        resource = resource_of(type(item))
        path = resource.path(item.metadata.namespace, item.metadata.name)
        item.api_version, item.kind = resource.api_version, resource.kind
        self.store(path, json.loads(encode(item)))

    def store(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        with self.changed:
            change = "MODIFIED" if path in self.objects else "ADDED"
            self.objects[path] = document
            self._publish(change, document)
            return document

    def delete(self, item: Object) -> None:
        path = resource_of(type(item)).path(item.metadata.namespace, item.metadata.name)
        with self.changed:
            self._publish("DELETED", self.objects.pop(path))

    def bookmark(self) -> None:
        """Time passes, and open watches are told."""
        self._tell("BOOKMARK", {"kind": "Bookmark", "metadata": {}})

    def expire(self) -> None:
        """Open watches are told that their version is too old, and so is whoever comes with an old one."""
        with self.changed:
            self.oldest = self.version + 1
        self._tell("ERROR", json.loads(encode(Expired("too old resource version").status())))

    def forget(self) -> None:
        """As after a compaction: whoever comes with an old version is sent to list again."""
        with self.changed:
            self.version += 1
            self.oldest = self.version

    def send(self, line: bytes) -> None:
        """Bytes to every open watch, as they are."""
        with self.changed:
            self.version += 1
            self.log.append((self.version, "RAW", {"line": line.decode()}))
            self.changed.notify_all()

    def cut(self) -> None:
        """Break all connections of watches."""
        with self.changed:
            for connection in self.open:
                connection.shutdown(socket.SHUT_RDWR)
            self.open.clear()
            self.changed.notify_all()

    def watches(self) -> list[str]:
        """The versions from which watches were begun."""
        return [query["resourceVersion"] for _, _, query in self.requests if "watch" in query]

    def lists(self) -> int:
        return sum(method == "GET" and "watch" not in query for method, _, query in self.requests)

    def close(self) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT_S)

    def _tell(self, change: str, document: dict[str, Any]) -> None:
        with self.changed:
            self._publish(change, document)

    def _publish(self, change: str, document: dict[str, Any]) -> None:
        self.version += 1
        if "metadata" in document and change != "ERROR":
            document = {**document, "metadata": {**document["metadata"], "resourceVersion": str(self.version)}}
            path = next((path for path, held in self.objects.items() if _same(held, document)), None)
            if path is not None and change != "DELETED":
                self.objects[path] = document
        self.log.append((self.version, change, document))
        self.changed.notify_all()


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one["metadata"].get(key) == other["metadata"].get(key) for key in ("name", "namespace")) and (
        one.get("kind") == other.get("kind")
    )


class _Handler(http.server.BaseHTTPRequestHandler):
    api: ApiServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = LIMIT_S

    def _serve(self) -> None:
        if self.api.closing:
            self.close_connection = True
            return
        path, _, text = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(text))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.api.requests.append((self.command, path, query))
        self.api.tokens.append(self.headers.get("Authorization", ""))
        self.api.on_request()
        try:
            if self.api.refusals:
                raise self.api.refusals.pop(0)
            if "watch" in query:
                self._watch(path, int(query["resourceVersion"]))
            else:
                self._json(200, self._answer(path, json.loads(body) if body else None))
        except ApiError as error:
            self._json(error.code, json.loads(encode(error.status())))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 (the base class calls them so)

    def _answer(self, path: str, document: Any) -> dict[str, Any]:
        with self.api.changed:
            match self.command:
                case "POST":
                    path = f"{path}/{document['metadata']['name']}"
                    if path in self.api.objects:
                        raise AlreadyExists("there already")
                    return self.api.store(path, document)
                case "PATCH":
                    if path not in self.api.objects:
                        raise NotFound("gone")
                    return self.api.store(path, merge_patch(self.api.objects[path], document))
                case _ if path in self.api.objects:
                    return self.api.objects[path]
            items = [item for held, item in self.api.objects.items() if held.rpartition("/")[0] == path]
            return {"metadata": {"resourceVersion": str(self.api.version)}, "items": items}

    def _watch(self, path: str, version: int) -> None:
        if version < self.api.oldest:
            raise Expired(f"too old resource version: {version}")
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with self.api.changed:
            self.api.open.add(self.connection)
        try:
            self._follow(path, version)
        except OSError:
            self.close_connection = True
        finally:
            with self.api.changed:
                self.api.open.discard(self.connection)

    def _follow(self, path: str, version: int) -> None:
        kind = path.rpartition("/")[2]
        while True:
            with self.api.changed:
                if self.api.version == version and not self._over():
                    self.api.changed.wait(timeout=1.0)
                if self._over():
                    self.close_connection = True
                    return
                fresh = [entry for entry in self.api.log if entry[0] > version]
                version = self.api.version
            for _, change, document in fresh:
                if change == "RAW":
                    self._chunk(document["line"].encode())
                elif document.get("kind") in ("Bookmark", "Status") or f"{document['kind'].lower()}s" == kind:
                    self._chunk(json.dumps({"type": change, "object": document}).encode() + b"\n")

    def _over(self) -> bool:
        return self.api.closing or self.connection not in self.api.open

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _json(self, code: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass

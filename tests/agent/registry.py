"""A registry of images on loopback, where Docker asks for no TLS. Layers can be held back in their midst."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from collections import Counter
from dataclasses import dataclass, field

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass
class Registry:
    """``password``: of the user me, if there is one. ``asked``: requests by path. ``held``: layers half sent."""

    rootfs: bytes
    password: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    hold: threading.Event = field(default_factory=threading.Event)
    held: set[str] = field(default_factory=set)
    documents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    layers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        registry = self

        class Handler(_Handler):
            of = registry

        self.hold.set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def add(self, name: str, tag: str) -> str:
        """An image like no other before; its digest. It has some megabytes that cannot be squeezed."""
        layer = _with_noise(self.rootfs)
        squeezed = gzip.compress(layer, 1)
        config = {
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sleep", "1000"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }  # fmt: skip
        parts = [(_CONFIG, json.dumps(config).encode()), (_LAYER, squeezed)]
        first, second = ({"mediaType": kind, "size": len(data), "digest": _digest(data)} for kind, data in parts)
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": first, "layers": [second]}
        manifest = json.dumps(document).encode()
        for kind, data in parts:
            self.documents[f"/v2/{name}/blobs/{_digest(data)}"] = (kind, data)
        self.layers.add(f"/v2/{name}/blobs/{_digest(squeezed)}")
        for reference in (tag, _digest(manifest)):
            self.documents[f"/v2/{name}/manifests/{reference}"] = (MANIFEST, manifest)
        return _digest(manifest)

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Handler(http.server.BaseHTTPRequestHandler):
    of: Registry

    def do_GET(self) -> None:
        registry = self.of
        registry.asked[self.path] += 1
        wanted = "Basic " + base64.b64encode(f"me:{registry.password}".encode()).decode()
        if registry.password and self.headers.get("Authorization") != wanted:
            self._answer(401, "application/json", b"{}", ("WWW-Authenticate", 'Basic realm="test"'))
        elif self.path == "/v2/":
            self._answer(200, "application/json", b"{}")
        elif self.path in registry.documents:
            kind, data = registry.documents[self.path]
            self._answer(200, kind, data, ("Docker-Content-Digest", _digest(data)))
        else:
            self._answer(404, "application/json", b"{}")

    do_HEAD = do_GET  # noqa: N815  the name that http.server calls

    def _answer(self, code: int, kind: str, data: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(data) // 2 if self.path in self.of.layers else 0
        self.wfile.write(data[:half])
        self.wfile.flush()
        if half and not self.of.hold.is_set():
            self.of.held.add(self.path)
            self.of.hold.wait(120)
        self.wfile.write(data[half:])

    def log_message(self, *_: object) -> None:
        return None


def _with_noise(rootfs: bytes) -> bytes:
    archive = io.BytesIO(rootfs)
    with tarfile.open(fileobj=archive, mode="a") as tar:
        entry = tarfile.TarInfo("noise")
        entry.size = 4 * 2**20
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return archive.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"

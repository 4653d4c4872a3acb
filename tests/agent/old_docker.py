"""Stands before the real daemon as one that knows nothing newer than some version of the API.

Each connection is for one request: a question for the version is answered with the old one, a path
without a version gets the old one, as that daemon would read it, and one with a newer version is refused in its words.
"""

import json
import re
import socket
import threading
from pathlib import Path

from tests.agent.sockets import pump

REAL = "/var/run/docker.sock"


class OldDocker:
    def __init__(self, path: Path, version: str) -> None:
        self.host = f"unix://{path}"
        self.version = version
        self.paths: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept, name="test-old-docker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="test-old-docker-call", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as real:
            first = client.recv(65536)
            if not first:
                return
            method, path, rest = first.split(b" ", 2)
            self.paths.append(path.decode())
            versioned = re.match(rb"/v(\d+)\.(\d+)/", path)
            if path.endswith(b"/version"):
                _answer(client, 200, self._about())
            elif versioned and tuple(map(int, versioned.groups())) > self._number:
                told = f"client version {versioned[0].decode()[2:-1]} is too new. Maximum supported API version is "
                _answer(client, 400, {"message": told + self.version})
            else:
                real.connect(REAL)
                wanted = path if versioned else f"/v{self.version}".encode() + path
                real.sendall(b" ".join((method, wanted, rest.replace(b": keep-alive\r\n", b": close\r\n", 1))))
                pump(client, real)

    @property
    def _number(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))

    def _about(self) -> dict[str, str]:
        return {
            "Version": "1.13.1", "ApiVersion": self.version, "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64",
        }  # fmt: skip


def _answer(client: socket.socket, status: int, document: dict[str, str]) -> None:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}"
    client.sendall(head.encode() + b"\r\n\r\n" + body)

"""A live server on port 0 in a thread of its own, and a client that speaks raw bytes to it."""

import asyncio
import concurrent.futures
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from master.apiserver.http.message import Request, Response
from master.apiserver.http.server import Server

T = TypeVar("T")
WAIT_S = 10.0


class Raw:
    """A socket with a patient reader."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(WAIT_S)
        self._rest = b""

    def send(self, data: bytes) -> "Raw":
        self.sock.sendall(data)
        return self

    def _fill(self) -> bool:
        data = self.sock.recv(65536)
        self._rest += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        """Read up to and with `mark`; AssertionError when the server closes before."""
        while mark not in self._rest:
            assert self._fill(), f"closed before {mark!r}: {self._rest!r}"
        end = self._rest.index(mark) + len(mark)
        data, self._rest = self._rest[:end], self._rest[end:]
        return data

    def exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            assert self._fill(), f"closed after {len(self._rest)} of {size} bytes"
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def response(self, *, head_only: bool = False) -> "Reply":
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
        length = 0 if head_only else int(headers.get("content-length", "0"))
        return Reply(int(head[0].split()[1]), headers, self.exactly(length))

    def to_the_end(self) -> bytes:
        """All that comes until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            while self._fill():
                pass
        data, self._rest = self._rest, b""
        return data


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Live:
    """A running server with its loop."""

    server: Server
    loop: asyncio.AbstractEventLoop
    clients: list[socket.socket] = field(default_factory=list)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_S + 5)

    def start(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def connect(self) -> Raw:
        sock = socket.create_connection(("127.0.0.1", self.server.plain_port), timeout=WAIT_S)
        self.clients.append(sock)
        return Raw(sock)

    def connect_tls_raw(self) -> Raw:
        """To the TLS port, without speaking TLS."""
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=WAIT_S)
        self.clients.append(sock)
        return Raw(sock)

    def connect_tls(self, context: ssl.SSLContext) -> Raw:
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=WAIT_S)
        self.clients.append(plain)
        sock = context.wrap_socket(plain, server_hostname="localhost")
        self.clients.append(sock)
        return Raw(sock)


Serve = Callable[..., Live]


@contextlib.contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="test-server")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()


def echo(request: Request) -> Response:
    """Answers at once with what was asked."""
    return Response(200, request.method.encode() + b" " + request.path.encode() + b" " + request.body)

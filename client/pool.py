"""Kept connections of one identity to the API servers that it knows.

Several servers are several doors to one cluster: the first that lets us in is used until it fails, then the next.
"""

import logging
import re
import ssl
import threading
from collections import deque
from urllib.parse import quote

from client.connection import Connection, Server
from client.kubeconfig import Credentials

log = logging.getLogger(__name__)

# Each watch has a connection of its own, and controllers watch some thirty kinds.
_KEPT = 64
_SAFE = "/?%:@!$&'()*+,;=~"
_PLAIN = re.compile(rf"[A-Za-z0-9\-._{re.escape(_SAFE)}]*")


class NotConnected(Exception):
    """No server could be reached, and nothing was sent. ``server`` is the last that was tried."""

    def __init__(self, server: Server, error: OSError) -> None:
        super().__init__(str(error))
        self.server = server


class Line:
    """A connection to the server of that place in the list; ``kept`` when it was used before."""

    def __init__(self, connection: Connection, place: int, server: Server) -> None:
        self.connection, self.place, self.server = connection, place, server
        self.kept = False


class Pool:
    """Safe to share between threads. Raises ValueError for credentials that cannot be sent."""

    def __init__(self, credentials: Credentials, user_agent: str) -> None:
        self._servers = tuple(Server.at(url) for url in credentials.servers)
        self._context: ssl.SSLContext | None = None
        if any(server.secure for server in self._servers):
            self._context = credentials.ssl_context()
        self._kept: tuple[deque[Line], ...] = tuple(deque() for _ in self._servers)
        self._heads = [_head(server, user_agent, credentials.headers) for server in self._servers]
        self._first = 0
        self._closed = threading.Event()

    @property
    def server(self) -> Server:
        """The one that is asked first now."""
        return self._servers[self._first]

    def request(self, line: Line, method: str, target: str, headers: str, body: bytes | None) -> bytes:
        """The bytes of a request. ``headers`` are whole lines; ``target`` is quoted where it must be."""
        if not _PLAIN.fullmatch(target):
            target = quote(target, safe=_SAFE)
        length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        first = f"{method} {line.server.prefix}{target} HTTP/1.1\r\n"
        return f"{first}{self._heads[line.place]}{headers}{length}\r\n".encode("latin-1") + (body or b"")

    def take(self) -> Line:
        """A kept connection, or a new one. Raises NotConnected when no server lets us in."""
        first = self._first
        kept = self._kept[first]
        while True:
            try:
                line = kept.pop()
            except IndexError:
                break
            if not line.connection.is_stale:
                return line
            line.connection.close()
        return self._connect(first)

    def _connect(self, first: int) -> Line:
        for step in range(len(self._servers)):
            place = (first + step) % len(self._servers)
            server = self._servers[place]
            try:
                connection = Connection(server, self._context if server.secure else None)
            except OSError as error:
                failed = NotConnected(server, error)
                continue
            if step:
                self._turn(place)
            return Line(connection, place, server)
        raise failed

    def give(self, line: Line) -> None:
        """Keeps a connection for the next request, if it is good for one."""
        kept = self._kept[line.place]
        if self._closed.is_set() or len(kept) >= _KEPT or not line.connection.lets_go_on:
            line.connection.close()
            return
        line.kept = True
        kept.append(line)
        if self._closed.is_set():
            self.close()

    def failed(self, line: Line) -> None:
        """That server lets us in and does not answer: the next one is asked from now on."""
        if len(self._servers) > 1 and self._first == line.place:
            self._turn((line.place + 1) % len(self._servers))

    def _turn(self, place: int) -> None:
        log.warning("using another API server was=%s now=%s", self.server.root, self._servers[place].root)
        self._first = place

    def close(self) -> None:
        """Closes what is kept; what is in use is closed when it is given back."""
        self._closed.set()
        for kept in self._kept:
            while kept:
                try:
                    kept.pop().connection.close()
                except IndexError:
                    break


def _head(server: Server, user_agent: str, headers: list[tuple[str, str]]) -> str:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"Host: {server.authority}\r\nUser-Agent: {user_agent}\r\n{lines}"

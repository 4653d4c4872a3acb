"""The little that the monitor asks of Docker: three GETs and the event stream, over one plain HTTP/1.1 connection each.

The Docker SDK would cost more memory than the rest of the monitor together. Every call has a time limit; a stream has
none, and a wait on it can be given one. `close` ends whatever is under way, from any thread.
API: https://docs.docker.com/reference/api/engine/
"""

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from cadvisor_lite.http_body import Body, Head, parse_response_head

_HEAD_LIMIT_BYTES = 65536
_BODY_LIMIT_BYTES = 256 * 2**20


class DockerError(Exception):
    """The daemon answered with an error. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class DockerApi:
    """One daemon. One caller at a time; `close` may come from any thread."""

    def __init__(self, docker_host: str, timeout_s: float) -> None:
        self._url = urlsplit(docker_host)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    def get(self, path: str, *, timeout_s: float | None = None) -> Any:
        """The answer's JSON. Raises DockerError, OSError (also for a time limit), ValueError for what is no answer."""
        connection = self._connect()
        try:
            connection.settimeout(timeout_s or self._timeout_s)
            head, body, data = self._ask(connection, path)
            while not body.ended:
                data += body.feed(_received(connection))
                if len(data) > _BODY_LIMIT_BYTES:
                    raise ValueError(f"{path}: the answer is too large")
        finally:
            self._forget(connection)
        _check(head, data)
        return json.loads(data)

    def events(self, filters: Mapping[str, list[str]]) -> "EventStream":
        """The stream, open: nothing that happens from now on is missed. Raises as `get`."""
        connection = self._connect()
        try:
            head, body, data = self._ask(connection, "/events?filters=" + quote(json.dumps(filters)))
            _check(head, data)
        except BaseException:
            self._forget(connection)
            raise
        return EventStream(connection, body, data)

    def close(self) -> None:
        """Ends the calls and the streams that are open; later ones fail."""
        with self._lock:
            self._closed = True
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # not connected yet, or the daemon was faster

    def release(self) -> None:
        """Gives the sockets back; for the thread that used them, at its end."""
        for connection in tuple(self._open):
            self._forget(connection)

    def _connect(self) -> socket.socket:
        url = self._url
        connection = socket.socket(socket.AF_UNIX) if url.scheme == "unix" else None
        if connection is None:
            port = url.port or (2376 if url.scheme == "https" else 2375)
            connection = socket.create_connection((url.hostname or "localhost", port), timeout=self._timeout_s)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with self._lock:
            if self._closed:
                connection.close()
                raise ConnectionAbortedError("the watch is ending")
            self._open.add(connection)
        try:
            connection.settimeout(self._timeout_s)
            if url.scheme == "unix":
                connection.connect(url.path)
            if url.scheme == "https":
                return self._secured(connection)
        except BaseException:
            self._forget(connection)
            raise
        return connection

    def _secured(self, connection: socket.socket) -> socket.socket:
        secure = ssl.create_default_context().wrap_socket(connection, server_hostname=self._url.hostname)
        with self._lock:
            self._open.discard(connection)
            self._open.add(secure)
        return secure

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _ask(self, connection: socket.socket, path: str) -> tuple[Head, Body, bytes]:
        """(head, body decoder, what has come of the body)."""
        host = self._url.hostname or "docker"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _HEAD_LIMIT_BYTES:
                raise ValueError(f"{path}: no HTTP answer")
            more = _received(connection)
            if not more:
                raise ConnectionResetError("the daemon ended the connection")
            data += more
        head = parse_response_head(data[:end])
        body = Body(head)
        return head, body, body.feed(data[end + 4 :]) if data[end + 4 :] else b""


class EventStream:
    """Docker's events, one by one."""

    def __init__(self, connection: socket.socket, body: Body, data: bytes) -> None:
        self._connection = connection
        self._body = body
        self._data = data

    def next(self, timeout_s: float) -> dict[str, Any] | None:
        """The next event; None when there was none in `timeout_s`. Raises EOFError at the end, OSError, ValueError."""
        self._connection.settimeout(timeout_s)
        while b"\n" not in self._data:
            if self._body.ended:
                raise EOFError("stream ended")
            if len(self._data) > _BODY_LIMIT_BYTES:
                raise ValueError("an event is too large")
            try:
                self._data += self._body.feed(_received(self._connection))
            except TimeoutError:
                return None
        line, _, self._data = self._data.partition(b"\n")
        event = json.loads(line)
        if not isinstance(event, dict):
            raise ValueError("an event is no JSON object")
        return event


def _received(connection: socket.socket) -> bytes:
    return connection.recv(65536)


def _check(head: Head, data: bytes) -> None:
    if head.status >= 400:
        raise DockerError(head.status, data[:200].decode(errors="replace").strip())

"""A Docker call whose connection turns into a stream: exec, with a time limit on the stream as a whole.

docker-py reads such streams without any time limit and may lose their first bytes to a buffer; a probe can afford
neither. The stream is Docker's multiplexed form: a header of 8 bytes (stream, 0, 0, 0, length in big endian), a frame.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

import socket
import time
from types import TracebackType
from urllib.parse import urlsplit

import msgspec
import requests

from agent.runtime.failures import RuntimeRefusal

_HEAD_LIMIT_BYTES = 64 * 1024


class HijackedStream:
    """A connection to Docker that belongs to one process now. Closed at the end of ``with``."""

    def __init__(self, connection: socket.socket, first: bytes) -> None:
        self._connection = connection
        self._pending = first

    def __enter__(self) -> "HijackedStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def release(self) -> tuple[socket.socket, bytes]:
        """The connection, which is the caller's to close from now on, and what came on it already."""
        return self._connection, self._pending

    def read_frames(self, *, limit_bytes: int, timeout_s: float) -> bytes:
        """All that the process wrote, cut at a limit (the rest is read and dropped, so that it can go on writing).

        Raises TimeoutError when the stream does not end in time.
        """
        deadline = time.monotonic() + timeout_s
        kept = bytearray()
        while (header := self._take(8, deadline)) is not None:
            left = int.from_bytes(header[4:8], "big")
            while left and (piece := self._take(min(left, 65536), deadline)) is not None:
                left -= len(piece)
                kept += piece[: max(0, limit_bytes - len(kept))]
        return bytes(kept)

    def _take(self, count: int, deadline: float) -> bytes | None:
        """Exactly ``count`` bytes; None at the end of the stream."""
        while len(self._pending) < count:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the stream did not end in time")
            self._connection.settimeout(left_s)
            chunk = self._connection.recv(65536)
            if not chunk:
                return None
            self._pending += chunk
        piece, self._pending = self._pending[:count], self._pending[count:]
        return piece


def hijack(docker_host: str, path: str, body: bytes, *, timeout_s: float) -> HijackedStream:
    """POSTs and takes the connection over. Raises RuntimeRefusal when Docker refuses, TimeoutError or OSError."""
    connection = _connect(docker_host, timeout_s)
    try:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()
            + body
        )
        status, rest = _read_head(connection)
        if status not in (101, 200):
            raise RuntimeRefusal(_explanation(rest), code=status)
    except BaseException:
        connection.close()
        raise
    return HijackedStream(connection, rest)


def _connect(docker_host: str, timeout_s: float) -> socket.socket:
    url = urlsplit(docker_host)
    if url.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(url.path)
        except OSError:
            connection.close()
            raise
        return connection
    if url.hostname is None:
        raise requests.exceptions.InvalidURL(docker_host)
    return socket.create_connection((url.hostname, url.port or 2375), timeout=timeout_s)


def _read_head(connection: socket.socket) -> tuple[int, bytes]:
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(4096)
        if not chunk or len(head) > _HEAD_LIMIT_BYTES:
            raise ConnectionError("docker closed the connection before its answer was whole")
        head += chunk
    first, _, _ = head.partition(b"\r\n")
    return int(first.split()[1]), head.partition(b"\r\n\r\n")[2]


def _explanation(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return body[:300].decode(errors="replace")

"""A Docker call whose connection turns into a stream: exec, with a time limit on the stream as a whole.

docker-py reads such streams without any time limit and may lose their first bytes to a buffer; a probe can afford
neither. The stream is Docker's multiplexed form: a header of 8 bytes (stream, 0, 0, 0, length in big endian), a frame.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

import socket
import time
from types import TracebackType

from agent.runtime.failures import RuntimeRefusal
from agent.runtime.plain_http import connect, explanation, read_head


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
    connection = connect(docker_host, timeout_s)
    try:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()
            + body
        )
        status, rest = read_head(connection)
        if status not in (101, 200):
            raise RuntimeRefusal(explanation(rest), code=status)
    except BaseException:
        connection.close()
        raise
    return HijackedStream(connection, rest)

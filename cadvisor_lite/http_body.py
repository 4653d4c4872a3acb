"""The answers of an HTTP/1.1 server, decoded as they come: Content-Length, chunks, or up to the end. No I/O.

RFC 9112, sections 6 and 7.
"""

from dataclasses import dataclass

_LINE_LIMIT_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Head:
    """`length` is None for a body that is chunked or ends with the connection."""

    status: int
    length: int | None
    chunked: bool


def parse_response_head(data: bytes) -> Head:
    """From the status line to the last header, without the empty line. Raises ValueError."""
    first, *lines = data.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise ValueError(f"no HTTP answer: {first[:80]!r}")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    length = headers.get("content-length")
    return Head(int(words[1]), None if chunked or length is None else int(length), chunked)


class Body:
    """Feed it what is received (b"" for the end of the connection); it gives what the body says."""

    def __init__(self, head: Head) -> None:
        self._left = head.length  # of the body, or of the chunk
        self._chunked = head.chunked
        self._pending = b""
        self.ended = head.length == 0 or head.status in (204, 304)

    def feed(self, data: bytes) -> bytes:
        """Raises ValueError for bad chunks, EOFError for a connection that ended inside of the body."""
        if not data:
            if self._chunked or self._left:
                raise EOFError("the connection ended inside of the answer")
            self.ended = True
            return b""
        if self._chunked:
            return self._chunks(data)
        if self._left is not None:
            self._left -= len(data)
            self.ended = self._left <= 0
        return data

    def _chunks(self, data: bytes) -> bytes:
        self._pending += data
        found = b""
        while not self.ended:
            if self._left is None:
                line, end, rest = self._pending.partition(b"\r\n")
                if not end:
                    if len(line) > _LINE_LIMIT_BYTES:
                        raise ValueError("a chunk without a size")
                    break
                self._pending = rest
                if line:  # an empty one ends the chunk before
                    self._left = int(line.partition(b";")[0], 16)
                    self.ended = self._left == 0
                continue
            piece = self._pending[: self._left]
            found, self._pending, self._left = found + piece, self._pending[len(piece) :], self._left - len(piece)
            if self._left:
                break
            self._left = None
        return found

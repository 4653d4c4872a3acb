"""Docker's multiplexed output: a head of 8 bytes (stream, 0, 0, 0, length in big endian), then that many bytes.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

STDOUT, STDERR = 1, 2
_HEAD = 8


class DockerFrames:
    """Feed it what Docker sent; data comes out as it comes in, without waiting for whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Pairs of stream and data."""
        self._buffer += data
        found = []
        while self._buffer:
            if not self._left:
                if len(self._buffer) < _HEAD:
                    break
                self._stream, self._left = self._buffer[0], int.from_bytes(self._buffer[4:_HEAD], "big")
                del self._buffer[:_HEAD]
                continue
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: len(piece)]
            self._left -= len(piece)
            found.append((STDERR if self._stream == STDERR else STDOUT, piece))
        return found

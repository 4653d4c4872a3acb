"""SPDY/3.1 frames, as Kubernetes' clients use them. Pure: bytes in, frames out; bytes out are made by a builder.

What these clients do not use is read and dropped: SETTINGS, WINDOW_UPDATE (they know no flow control), HEADERS. Data
is handed on in pieces as it comes, so a frame of any announced length costs no memory; control frames and headers are
bounded. https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

import zlib
from dataclasses import dataclass

from agent.server.streaming.protocol_error import ProtocolError
from agent.server.streaming.spdy_dictionary import DICTIONARY

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
_KNOWN = (_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE)
_HEAD = 8
_CONTROL = 0x8003_0000
_FIN = 0x01
_ID = 0x7FFF_FFFF
CONTROL_MAX = 64 * 1024
_HEADERS_MAX = 64 * 1024
_PAIRS_MAX = 64
REFUSED, CANCEL = 3, 5


@dataclass(frozen=True, slots=True)
class SynStream:
    """A stream begins. Names of headers are in lower case."""

    stream: int
    headers: dict[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Some data of a stream, in order. ``fin``: the client sends no more on it."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """A stream is over in both directions."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The client opens no more streams."""


Frame = SynStream | Data | Reset | Ping | GoAway


class SpdyParser:
    """Feed it what the client sent."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._data: tuple[int, int, bool] | None = None  # stream, bytes left and FIN of a data frame under way

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Raises ProtocolError."""
        self._buffer += data
        frames: list[Frame] = []
        while True:
            if self._data is not None and (self._buffer or not self._data[1]):
                frames.append(self._some_data(*self._data))
            elif self._data is not None or len(self._buffer) < _HEAD:
                return frames
            elif self._buffer[0] & 0x80:
                if not self._has_control():
                    return frames
                frames += self._control()
            else:
                self._begin_data()

    def _begin_data(self) -> None:
        stream = int.from_bytes(self._buffer[:4], "big")
        self._data = stream, int.from_bytes(self._buffer[5:8], "big"), bool(self._buffer[4] & _FIN)
        del self._buffer[:_HEAD]

    def _some_data(self, stream: int, left: int, fin: bool) -> Data:
        piece = bytes(self._buffer[:left])
        del self._buffer[: len(piece)]
        left -= len(piece)
        self._data = (stream, left, fin) if left else None
        return Data(stream, piece, fin and not left)

    def _has_control(self) -> bool:
        kind = int.from_bytes(self._buffer[:4], "big") - _CONTROL
        length = int.from_bytes(self._buffer[5:8], "big")
        if kind not in _KNOWN:
            raise ProtocolError("a control frame is not of SPDY/3.1")
        if length > CONTROL_MAX:
            raise ProtocolError(f"a control frame is longer than {CONTROL_MAX} bytes")
        return len(self._buffer) >= _HEAD + length

    def _control(self) -> list[Frame]:
        kind, flags = self._buffer[3], self._buffer[4]
        end = _HEAD + int.from_bytes(self._buffer[5:8], "big")
        body = bytes(self._buffer[_HEAD:end])
        del self._buffer[:end]
        if kind == _SYN_STREAM:
            _check_length(body, 10)
            return [SynStream(_number(body) & _ID, self._headers(body[10:]), bool(flags & _FIN))]
        if kind in (_SYN_REPLY, _HEADERS):
            _check_length(body, 4)
            self._headers(body[4:])  # or the compressed headers after these could not be read
            return []
        return _small(kind, body)

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            text = self._inflate.decompress(block, _HEADERS_MAX)
        except zlib.error as error:
            raise ProtocolError(f"headers cannot be decompressed: {error}") from error
        if self._inflate.unconsumed_tail or len(text) >= _HEADERS_MAX:
            raise ProtocolError(f"headers are longer than {_HEADERS_MAX} bytes")
        return _pairs(text)


def _small(kind: int, body: bytes) -> list[Frame]:
    if kind == _RST_STREAM:
        _check_length(body, 8)
        return [Reset(_number(body) & _ID)]
    if kind == _PING:
        _check_length(body, 4)
        return [Ping(_number(body))]
    return [GoAway()] if kind == _GOAWAY else []


def _number(body: bytes) -> int:
    return int.from_bytes(body[:4], "big")


def _check_length(body: bytes, least: int) -> None:
    if len(body) < least:
        raise ProtocolError("a control frame is too short")


def _pairs(text: bytes) -> dict[str, str]:
    """Number of pairs, then name and value of each, all behind their length in 4 bytes."""
    _check_length(text, 4)
    count, place = _number(text), 4
    if count > _PAIRS_MAX:
        raise ProtocolError(f"a stream has more than {_PAIRS_MAX} headers")
    words = []
    for _ in range(2 * count):
        end = place + 4 + int.from_bytes(text[place : place + 4], "big")
        if end > len(text) or place + 4 > len(text):
            raise ProtocolError("a header is cut short")
        words.append(text[place + 4 : end].decode("latin-1"))
        place = end
    return dict(zip((name.lower() for name in words[::2]), words[1::2], strict=True))


class SpdyBuilder:
    """Makes frames; one per connection, since headers are compressed with what was sent before in mind."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._pings = 0

    def reply(self, stream: int) -> bytes:
        """SYN_REPLY without headers: the stream is accepted."""
        block = self._deflate.compress(bytes(4)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control_frame(_SYN_REPLY, stream.to_bytes(4, "big") + block)

    def ping(self) -> bytes:
        """One of our own; a server's have even numbers."""
        self._pings = (self._pings + 2) & _ID
        return _control_frame(_PING, self._pings.to_bytes(4, "big"))

    @staticmethod
    def pong(identity: int) -> bytes:
        return _control_frame(_PING, identity.to_bytes(4, "big"))

    @staticmethod
    def data(stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """``data`` must be shorter than 16 MiB."""
        head = stream.to_bytes(4, "big") + bytes((_FIN if fin else 0,)) + len(data).to_bytes(3, "big")
        return head + data

    @staticmethod
    def reset(stream: int, status: int) -> bytes:
        return _control_frame(_RST_STREAM, stream.to_bytes(4, "big") + status.to_bytes(4, "big"))

    @staticmethod
    def go_away(last: int) -> bytes:
        return _control_frame(_GOAWAY, last.to_bytes(4, "big") + bytes(4))


def is_clients_ping(identity: int) -> bool:
    """Those with odd numbers want an answer; the others are answers to ours."""
    return identity % 2 == 1


def _control_frame(kind: int, body: bytes) -> bytes:
    return (_CONTROL + kind).to_bytes(4, "big") + bytes(1) + len(body).to_bytes(3, "big") + body

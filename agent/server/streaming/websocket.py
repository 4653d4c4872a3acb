"""WebSocket frames, the server's side (RFC 6455). Pure: bytes in, events out; bytes out are made by functions.

The rule: nothing that a client sends is kept longer than needed. A message's data is handed on in pieces as it comes,
so a frame of any announced length costs no memory. Refused: frames without a mask, reserved bits (no extension is ever
agreed on), unknown opcodes, control frames that are long or split, continuations of nothing.
"""

import base64
import hashlib
from dataclasses import dataclass

from agent.server.streaming.protocol_error import ProtocolError

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTROL_MAX = 125
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN = 0x80
NORMAL = 1000


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a message's data, in order. ``begins`` and ``ends``: whether it is the message's first, or last."""

    data: bytes
    begins: bool
    ends: bool
    text: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """``code`` is 1005 when none was given."""

    code: int


Event = Piece | Ping | Pong | Close


@dataclass(slots=True)
class _Frame:
    """The frame that is being read."""

    opcode: int
    fin: bool
    left: int
    mask: bytes


class WebSocketParser:
    """Feed it what the client sent."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._frame: _Frame | None = None
        self._message = 0  # the opcode of the message that goes on; 0 when there is none
        self._begins = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now. Raises ProtocolError."""
        self._buffer += data
        events: list[Event] = []
        while self._frame is not None or self._begin():
            event = self._go_on()
            if event is None:
                break
            events.append(event)
        return events

    def _begin(self) -> bool:
        """Read the head of a frame; False when it is not here yet."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        _check_head(buffer[0], buffer[1])
        extra = {126: 2, 127: 8}.get(buffer[1] & 0x7F, 0)
        if len(buffer) < 6 + extra:
            return False
        length = int.from_bytes(buffer[2 : 2 + extra], "big") if extra else buffer[1] & 0x7F
        if length >> 63:
            raise ProtocolError("the length of a frame has its highest bit set")
        mask = bytes(buffer[2 + extra : 6 + extra])
        self._frame = self._checked(_Frame(buffer[0] & 0x0F, bool(buffer[0] & _FIN), length, mask))
        del buffer[: 6 + extra]
        return True

    def _checked(self, frame: _Frame) -> _Frame:
        if frame.opcode in (_TEXT, _BINARY):
            if self._message:
                raise ProtocolError("a message begins within another")
            self._message, self._begins = frame.opcode, True
        elif frame.opcode == _CONTINUATION and not self._message:
            raise ProtocolError("a frame goes on with a message that never began")
        return frame

    def _go_on(self) -> Event | None:
        """What can be said of the present frame; None when more must come first."""
        frame = self._frame
        assert frame is not None
        control = frame.opcode >= _CLOSE
        if len(self._buffer) < (frame.left if control else min(frame.left, 1)):
            return None
        data = unmasked(bytes(self._buffer[: frame.left]), frame.mask)
        del self._buffer[: len(data)]
        frame.left -= len(data)
        turn = len(data) % 4
        frame.mask = frame.mask[turn:] + frame.mask[:turn]
        if frame.left == 0:
            self._frame = None
        return _control(frame.opcode, data) if control else self._piece(frame, data)

    def _piece(self, frame: _Frame, data: bytes) -> Piece:
        ends = frame.fin and frame.left == 0
        piece = Piece(data, self._begins, ends, self._message == _TEXT)
        self._begins = False
        if ends:
            self._message = 0
        return piece


def _check_head(first: int, second: int) -> None:
    opcode = first & 0x0F
    if first & 0x70:
        raise ProtocolError("a reserved bit is set")
    if opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
        raise ProtocolError(f"opcode {opcode} is not known")
    if not second & 0x80:
        raise ProtocolError("a client's frame must be masked")
    if opcode >= _CLOSE and (not first & _FIN or second & 0x7F > _CONTROL_MAX):
        raise ProtocolError("a control frame must be whole and short")


def _control(opcode: int, data: bytes) -> Event:
    if opcode == _PING:
        return Ping(data)
    if opcode == _PONG:
        return Pong(data)
    if len(data) == 1:
        raise ProtocolError("a close frame holds half a code")
    return Close(int.from_bytes(data[:2], "big") if data else 1005)


def unmasked(data: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, which must be 4 bytes; as one large number, which is what Python does fast."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def message(data: bytes, *, text: bool = False) -> bytes:
    """A whole message in one frame."""
    return _frame(_TEXT if text else _BINARY, data)


def ping(data: bytes = b"") -> bytes:
    return _frame(_PING, data)


def pong(data: bytes) -> bytes:
    return _frame(_PONG, data)


def close(code: int, reason: str = "") -> bytes:
    return _frame(_CLOSE, code.to_bytes(2, "big") + reason.encode()[: _CONTROL_MAX - 2])


def _frame(opcode: int, data: bytes) -> bytes:
    size = len(data)
    if size <= _CONTROL_MAX:
        head = bytes((_FIN | opcode, size))
    elif size < 1 << 16:
        head = bytes((_FIN | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FIN | opcode, 127)) + size.to_bytes(8, "big")
    return head + data


def accept_key(key: str) -> str:
    """The answer to ``Sec-WebSocket-Key`` (RFC 6455, section 4.2.2). Raises ValueError for a key of another form."""
    if len(base64.b64decode(key, validate=True)) != 16:
        raise ValueError("the key must be 16 bytes in base64")
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()

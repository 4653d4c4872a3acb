"""What clients of exec and attach say and hear, whatever the protocol; and the protocol of WebSocket channels.

A message's first byte is its channel: 0 stdin, 1 stdout, 2 stderr, 3 the result, 4 the size of the terminal, and, since
v5, 255: the channel named by the next byte ends. In the base64 protocols the channel is a digit and the rest base64.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets

Pure: bytes in, events out. What must be answered at once stands in ``replies``.
"""

from dataclasses import dataclass
from typing import Protocol

import msgspec

from agent.server.streaming import websocket
from agent.server.streaming.channels import Channels
from agent.server.streaming.protocol_error import ProtocolError
from api.codec import encode
from api.meta import Status

STDIN, STDOUT, STDERR, RESULT, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
WEBSOCKET_PROTOCOLS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
_CONTROL_MAX = 4096
_SIDE_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class Input:
    """For the standard input of the process."""

    data: bytes


@dataclass(frozen=True, slots=True)
class InputEnd:
    """No more input comes."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The terminal's size in characters."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class HungUp:
    """The client is done with us."""


Event = Input | InputEnd | Resize | HungUp


class Caller(Protocol):
    """A client, as the session sees it."""

    replies: bytearray

    @property
    def ready(self) -> bool:
        """Whether all is set up for the process to begin."""

    def feed(self, data: bytes) -> list[Event]:
        """Raises ProtocolError."""

    def output(self, channel: int, data: bytes) -> bytes: ...

    def ping(self) -> bytes: ...

    def result(self, status: Status) -> bytes:
        """How it ended, and the end of everything."""

    def abort(self, error: ProtocolError, /) -> bytes:
        """The last words to one who broke the protocol."""


class _Size(msgspec.Struct):
    width: int = msgspec.field(name="Width", default=0)
    height: int = msgspec.field(name="Height", default=0)


def size_of(text: bytes) -> Resize | None:
    """From ``{"Width": 80, "Height": 24}``; None for no size. Raises ProtocolError."""
    try:
        size = msgspec.json.decode(text, type=_Size)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"the size of a terminal is not valid: {error}") from error
    if not (0 < size.width <= _SIDE_MAX and 0 < size.height <= _SIDE_MAX):
        return None
    return Resize(size.width, size.height)


def result_bytes(status: Status, *, structured: bool) -> bytes:
    """The result as its stream carries it: a Status since v4, before that the text of a failure."""
    if structured:
        return encode(status)
    return b"" if status.status == "Success" else status.message.encode()


class WebSocketCaller:
    """A client that speaks one of ``WEBSOCKET_PROTOCOLS``; none named is ``channel.k8s.io``."""

    def __init__(self, protocol: str) -> None:
        self.replies = bytearray()
        self._channels = Channels(encoded="base64" in protocol)
        self._structured = protocol.startswith(("v4.", "v5."))
        self._may_end_input = protocol.startswith("v5.")
        self._kept = bytearray()  # of a message that can only be read as a whole
        # As Kubernetes does: a client may take the first message as the sign that it is connected.
        self.replies += self.output(STDOUT, b"")

    @property
    def ready(self) -> bool:
        return True

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._channels.feed(data):
            if isinstance(event, websocket.Ping):
                self.replies += websocket.pong(event.data)
            elif isinstance(event, websocket.Close):
                events.append(HungUp())
            elif event.channel == STDIN:
                events += [Input(event.data)] if event.data else []
            elif event.channel == RESIZE or (event.channel == CLOSE and self._may_end_input):
                events += self._control(event.channel, event.data, ends=event.ends)
        return events

    def _control(self, channel: int, data: bytes, *, ends: bool) -> list[Event]:
        self._kept += data
        if len(self._kept) > _CONTROL_MAX:
            raise ProtocolError(f"a message is longer than {_CONTROL_MAX} bytes", code=1009)
        if not ends:
            return []
        text = bytes(self._kept)
        self._kept.clear()
        if channel == CLOSE:
            return [InputEnd()] if text[:1] == bytes((STDIN,)) else []
        size = size_of(text)
        return [size] if size else []

    def output(self, channel: int, data: bytes) -> bytes:
        return self._channels.message(channel, data)

    def ping(self) -> bytes:
        return websocket.ping()

    def result(self, status: Status) -> bytes:
        told = result_bytes(status, structured=self._structured)
        return (self.output(RESULT, told) if told else b"") + websocket.close(websocket.NORMAL)

    def abort(self, error: ProtocolError) -> bytes:
        return websocket.close(error.code, str(error))

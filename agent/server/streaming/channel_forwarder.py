"""Port-forward over WebSocket channels, as clients in Python and JavaScript speak it.

The ports stand in the address. Port number i of them has channel 2i for data and 2i+1 for errors; the first message on
each holds the port in two bytes, little endian. One connection each, made at once.
https://github.com/kubernetes/kubernetes/blob/v1.30.0/pkg/kubelet/server/portforward/websocket.go
"""

import base64
import binascii
from collections.abc import Sequence

from agent.server.streaming import websocket
from agent.server.streaming.forwarding import Event, HungUp, Opened, Sent
from agent.server.streaming.protocol_error import ProtocolError

# Not v5: clients in Python offer it first, and then fail on its messages that end a channel.
CHANNEL_FORWARD_PROTOCOLS = (
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "portforward.k8s.io",
    "",
)
_BASE64_MAX = 1 << 20


class ChannelForwarder:
    """The key of a connection is its place among the ports."""

    def __init__(self, protocol: str, ports: Sequence[int]) -> None:
        self.replies = bytearray()
        self._base64 = "base64" in protocol
        self._ports = ports
        self._open = set(range(len(ports)))
        self._parser = websocket.WebSocketParser()
        self._channel: int | None = None
        self._kept = bytearray()

    def start(self) -> list[Event]:
        for key, port in enumerate(self._ports):
            for channel in (2 * key, 2 * key + 1):
                self.replies += self._message(channel, port.to_bytes(2, "little"))
        return [Opened(key, port) for key, port in enumerate(self._ports)]

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._parser.feed(data):
            if isinstance(event, websocket.Ping):
                self.replies += websocket.pong(event.data)
            elif isinstance(event, websocket.Close):
                events.append(HungUp())
            elif isinstance(event, websocket.Piece):
                events += self._whole(event) if self._base64 else self._piece(event)
        return events

    def _piece(self, piece: websocket.Piece) -> list[Event]:
        data = piece.data
        if piece.begins:
            self._channel = None
        if self._channel is None and data:
            self._channel, data = data[0], data[1:]
        return self._said(self._channel, data) if self._channel is not None else []

    def _whole(self, piece: websocket.Piece) -> list[Event]:
        self._kept += piece.data
        if len(self._kept) > _BASE64_MAX:
            raise ProtocolError(f"a message is longer than {_BASE64_MAX} bytes", code=1009)
        if not piece.ends:
            return []
        text = bytes(self._kept)
        self._kept.clear()
        try:
            return self._said(text[0] - ord("0"), base64.b64decode(text[1:], validate=True)) if text else []
        except binascii.Error as error:
            raise ProtocolError("a message is not base64", code=1007) from error

    def _said(self, channel: int, data: bytes) -> list[Event]:
        if channel % 2 or channel // 2 not in self._open or not data:
            return []
        return [Sent(channel // 2, data)]

    def data(self, key: int, data: bytes) -> bytes:
        return self._message(2 * key, data)

    def finish(self, key: int) -> bytes:
        """A channel cannot be ended: the client learns it when all have ended."""
        self._open.discard(key)
        return b"" if self._open else self.goodbye()

    def fail(self, key: int, text: str) -> bytes:
        return self._message(2 * key + 1, text.encode()) + self.finish(key)

    def _message(self, channel: int, data: bytes) -> bytes:
        if self._base64:
            return websocket.message(bytes((ord("0") + channel,)) + base64.b64encode(data), text=True)
        return websocket.message(bytes((channel,)) + data)

    def ping(self) -> bytes:
        return websocket.ping()

    def goodbye(self) -> bytes:
        return websocket.close(websocket.NORMAL)

    def abort(self, error: ProtocolError) -> bytes:
        return websocket.close(error.code, str(error))

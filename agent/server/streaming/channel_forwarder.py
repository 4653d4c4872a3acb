"""Port-forward over WebSocket channels, as clients in Python and JavaScript speak it.

The ports stand in the address. Port number i of them has channel 2i for data and 2i+1 for errors; the first message on
each holds the port in two bytes, little endian. One connection each, made at once.
https://github.com/kubernetes/kubernetes/blob/v1.30.0/pkg/kubelet/server/portforward/websocket.go
"""

from collections.abc import Sequence

from agent.server.streaming import websocket
from agent.server.streaming.channels import Channels
from agent.server.streaming.forwarding import Event, HungUp, Opened, Sent
from agent.server.streaming.protocol_error import ProtocolError

# Not v5: clients in Python offer it first, and then fail on its messages that end a channel.
CHANNEL_FORWARD_PROTOCOLS = (
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "portforward.k8s.io",
    "",
)


class ChannelForwarder:
    """The key of a connection is its place among the ports."""

    def __init__(self, protocol: str, ports: Sequence[int]) -> None:
        self.replies = bytearray()
        self._channels = Channels(encoded="base64" in protocol)
        self._ports = ports
        self._open = set(range(len(ports)))

    def start(self) -> list[Event]:
        for key, port in enumerate(self._ports):
            for channel in (2 * key, 2 * key + 1):
                self.replies += self._channels.message(channel, port.to_bytes(2, "little"))
        return [Opened(key, port) for key, port in enumerate(self._ports)]

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._channels.feed(data):
            if isinstance(event, websocket.Ping):
                self.replies += websocket.pong(event.data)
            elif isinstance(event, websocket.Close):
                events.append(HungUp())
            else:
                events += self._said(event.channel, event.data)
        return events

    def _said(self, channel: int, data: bytes) -> list[Event]:
        if channel % 2 or channel // 2 not in self._open or not data:
            return []
        return [Sent(channel // 2, data)]

    def data(self, key: int, data: bytes) -> bytes:
        return self._channels.message(2 * key, data)

    def finish(self, key: int) -> bytes:
        """A channel cannot be ended: the client learns it when all have ended."""
        self._open.discard(key)
        return b"" if self._open else self.goodbye()

    def fail(self, key: int, text: str) -> bytes:
        return self._channels.message(2 * key + 1, text.encode()) + self.finish(key)

    def ping(self) -> bytes:
        return websocket.ping()

    def goodbye(self) -> bytes:
        return websocket.close(websocket.NORMAL)

    def abort(self, error: ProtocolError) -> bytes:
        return websocket.close(error.code, str(error))

"""Port-forward over SPDY, which is also what newer clients speak inside of WebSocket messages.

For each connection the client opens two streams with one ``requestid``: first the one for errors, which it finishes at
once, then the one for data. Either names the ``port``.
"""

from agent.server.streaming import spdy, websocket
from agent.server.streaming.forwarding import (
    CONNECTIONS_MAX,
    PORT_MAX,
    Dropped,
    Event,
    Finished,
    HungUp,
    Opened,
    Sent,
)
from agent.server.streaming.protocol_error import ProtocolError

SPDY_FORWARD_PROTOCOLS = ("portforward.k8s.io",)
TUNNEL_PROTOCOLS = ("SPDY/3.1+portforward.k8s.io", "v2.portforward.k8s.io")


class SpdyForwarder:
    """The key of a connection is the id of its data stream."""

    def __init__(self) -> None:
        self.replies = bytearray()
        self._parser = spdy.SpdyParser()
        self._builder = spdy.SpdyBuilder()
        self._error_streams: dict[str, int] = {}  # by request, until its data stream comes
        self._connections: dict[int, int | None] = {}  # data stream to error stream
        self._last = 0

    def start(self) -> list[Event]:
        return []

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for frame in self._parser.feed(data):
            if isinstance(frame, spdy.SynStream):
                events += self._opened(frame)
            elif isinstance(frame, spdy.Ping):
                if spdy.is_clients_ping(frame.id):
                    self.replies += self._builder.pong(frame.id)
            elif isinstance(frame, spdy.Data):
                events += self._data(frame)
            elif isinstance(frame, spdy.Reset) and frame.stream in self._connections:
                del self._connections[frame.stream]
                events.append(Dropped(frame.stream))
        return events

    def _opened(self, frame: spdy.SynStream) -> list[Event]:
        if frame.stream <= self._last:
            raise ProtocolError(f"stream {frame.stream} is not above the one before")
        self._last = frame.stream
        port, request = frame.headers.get("port", ""), frame.headers.get("requestid", "")
        kind = frame.headers.get("streamtype", "")
        full = max(len(self._connections), len(self._error_streams)) >= CONNECTIONS_MAX
        if full or kind not in ("data", "error") or not _is_port(port):
            self.replies += self._builder.reset(frame.stream, spdy.REFUSED)
            return []
        self.replies += self._builder.reply(frame.stream)
        if kind == "error":
            self._error_streams[request] = frame.stream
            return []
        self._connections[frame.stream] = self._error_streams.pop(request, None)
        events: list[Event] = [Opened(frame.stream, int(port))]
        return [*events, Finished(frame.stream)] if frame.fin else events

    def _data(self, frame: spdy.Data) -> list[Event]:
        if frame.stream not in self._connections:
            return []
        events: list[Event] = [Sent(frame.stream, frame.data)] if frame.data else []
        return [*events, Finished(frame.stream)] if frame.fin else events

    def data(self, key: int, data: bytes) -> bytes:
        return self._builder.data(key, data)

    def finish(self, key: int) -> bytes:
        if key not in self._connections:
            return b""
        error_stream = self._connections.pop(key)
        told = b"" if error_stream is None else self._builder.data(error_stream, b"", fin=True)
        return told + self._builder.data(key, b"", fin=True)

    def fail(self, key: int, _text: str) -> bytes:
        """Without the text: kubectl since 1.23 gives up all its connections when it reads one on the error stream.

        https://github.com/kubernetes/kubectl/issues/1169
        """
        return self.finish(key)

    def ping(self) -> bytes:
        return self._builder.ping()

    def goodbye(self) -> bytes:
        return self._builder.go_away(self._last)

    def abort(self, _error: ProtocolError) -> bytes:
        return self.goodbye()


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= PORT_MAX


class TunnelForwarder:
    """The same inside of WebSocket messages, whose borders mean nothing."""

    def __init__(self) -> None:
        self.replies = bytearray()
        self._inner = SpdyForwarder()
        self._parser = websocket.WebSocketParser()

    def start(self) -> list[Event]:
        return []

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._parser.feed(data):
            if isinstance(event, websocket.Ping):
                self.replies += websocket.pong(event.data)
            elif isinstance(event, websocket.Close):
                events.append(HungUp())
            elif isinstance(event, websocket.Piece):
                events += self._inner.feed(event.data)
                self.replies += _wrapped(bytes(self._inner.replies))
                self._inner.replies.clear()
        return events

    def data(self, key: int, data: bytes) -> bytes:
        return _wrapped(self._inner.data(key, data))

    def finish(self, key: int) -> bytes:
        return _wrapped(self._inner.finish(key))

    def fail(self, key: int, text: str) -> bytes:
        return _wrapped(self._inner.fail(key, text))

    def ping(self) -> bytes:
        return websocket.ping()

    def goodbye(self) -> bytes:
        return _wrapped(self._inner.goodbye()) + websocket.close(websocket.NORMAL)

    def abort(self, error: ProtocolError) -> bytes:
        return websocket.close(error.code, str(error))


def _wrapped(data: bytes) -> bytes:
    return websocket.message(data) if data else b""

"""A client of exec or attach over SPDY: a stream each for stdin, stdout, stderr, the result, and the terminal's size.

The client opens them all, each with the header ``streamtype``; the process begins when those it asked for are there.
Pure, as the WebSocket one.
"""

from agent.server.streaming import spdy
from agent.server.streaming.process import Streams
from agent.server.streaming.protocol_error import ProtocolError
from agent.server.streaming.remote_command import (
    RESIZE,
    RESULT,
    STDERR,
    STDIN,
    STDOUT,
    Event,
    Input,
    InputEnd,
    result_bytes,
    size_of,
)
from api.meta import Status

# A client that names none speaks the oldest.
SPDY_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
_CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": RESULT, "resize": RESIZE}
_SIZE_MAX = 4096


class SpdyCaller:
    """``protocol`` is one of ``SPDY_PROTOCOLS``."""

    def __init__(self, protocol: str, streams: Streams) -> None:
        self.replies = bytearray()
        self._structured = protocol.startswith("v4.")
        wanted = {STDIN: streams.stdin, STDOUT: streams.stdout, STDERR: streams.stderr, RESULT: True}
        self._wanted = {channel for channel, is_wanted in wanted.items() if is_wanted}
        if streams.tty and protocol.startswith(("v4.", "v3.")):
            self._wanted.add(RESIZE)
        self._parser = spdy.SpdyParser()
        self._builder = spdy.SpdyBuilder()
        self._ids: dict[int, int] = {}  # by channel
        self._channels: dict[int, int] = {}  # by id
        self._sizes = bytearray()

    @property
    def ready(self) -> bool:
        return self._wanted <= self._ids.keys()

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for frame in self._parser.feed(data):
            if isinstance(frame, spdy.SynStream):
                events += self._opened(frame)
            elif isinstance(frame, spdy.Data):
                events += self._data(frame)
            elif isinstance(frame, spdy.Reset):
                events += [InputEnd()] if self._channels.get(frame.stream) == STDIN else []
            elif isinstance(frame, spdy.Ping) and spdy.is_clients_ping(frame.id):
                self.replies += self._builder.pong(frame.id)
        return events

    def _opened(self, frame: spdy.SynStream) -> list[Event]:
        channel = _CHANNELS.get(frame.headers.get("streamtype", ""))
        if channel is None or channel in self._ids or frame.stream in self._channels:
            self.replies += self._builder.reset(frame.stream, spdy.REFUSED)
            return []
        self._ids[channel] = frame.stream
        self._channels[frame.stream] = channel
        self.replies += self._builder.reply(frame.stream)
        return [InputEnd()] if frame.fin and channel == STDIN else []

    def _data(self, frame: spdy.Data) -> list[Event]:
        channel = self._channels.get(frame.stream)
        if channel == STDIN:
            events: list[Event] = [Input(frame.data)] if frame.data else []
            return [*events, InputEnd()] if frame.fin else events
        return self._resized(frame.data) if channel == RESIZE else []

    def _resized(self, data: bytes) -> list[Event]:
        """Sizes come as one JSON object behind the other, in pieces of any size."""
        self._sizes += data
        if len(self._sizes) > _SIZE_MAX:
            raise ProtocolError(f"the size of a terminal is longer than {_SIZE_MAX} bytes")
        events: list[Event] = []
        while (end := self._sizes.find(b"}")) >= 0:
            size = size_of(bytes(self._sizes[: end + 1]))
            del self._sizes[: end + 1]
            events += [size] if size else []
        return events

    def output(self, channel: int, data: bytes) -> bytes:
        stream = self._ids.get(channel)
        return b"" if stream is None else self._builder.data(stream, data)

    def ping(self) -> bytes:
        return self._builder.ping()

    def result(self, status: Status) -> bytes:
        told = result_bytes(status, structured=self._structured)
        last = {RESULT: told, STDOUT: b"", STDERR: b""}
        ends = [self._builder.data(self._ids[one], data, fin=True) for one, data in last.items() if one in self._ids]
        return b"".join(ends) + self._builder.go_away(max(self._channels, default=0))

    def abort(self, _error: ProtocolError) -> bytes:
        return self._builder.go_away(max(self._channels, default=0))

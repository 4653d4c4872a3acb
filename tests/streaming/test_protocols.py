"""The protocols as pure parts: what is cut anyhow means the same, and nothing that is sent makes them fall over."""

from __future__ import annotations

import contextlib
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server.streaming import spdy, websocket
from agent.server.streaming.channel_forwarder import ChannelForwarder
from agent.server.streaming.docker_frames import STDERR, STDOUT, DockerFrames
from agent.server.streaming.forwarding import Opened, Sent
from agent.server.streaming.negotiation import agree
from agent.server.streaming.process import Streams, exited
from agent.server.streaming.protocol_error import ProtocolError
from agent.server.streaming.remote_command import Input, InputEnd, Resize, WebSocketCaller
from agent.server.streaming.spdy_caller import SpdyCaller
from agent.server.streaming.spdy_dictionary import DICTIONARY
from agent.server.streaming.spdy_forwarder import SpdyForwarder, TunnelForwarder
from api.errors import BadRequest

MASK = b"\x01\x02\x03\x04"
ALL = Streams(stdin=True, stdout=True, stderr=True, tty=False)
UPGRADE = {
    "connection": ["Upgrade"],
    "upgrade": ["websocket"],
    "sec-websocket-version": ["13"],
    "sec-websocket-key": ["dGhlIHNhbXBsZSBub25jZQ=="],
}


def client_frame(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    size = len(data)
    length = bytes((0x80 | size,)) if size < 126 else bytes((0x80 | 127,)) + size.to_bytes(8, "big")
    return bytes((opcode | (0x80 if fin else 0),)) + length + MASK + websocket.unmasked(data, MASK)


class SpdyClient:
    """Makes the frames of a client."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, **headers: str) -> bytes:
        words = [word.encode() for pair in headers.items() for word in pair]
        text = len(headers).to_bytes(4, "big") + b"".join(len(word).to_bytes(4, "big") + word for word in words)
        block = self._deflate.compress(text) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        body = stream.to_bytes(4, "big") + bytes(6) + block
        return b"\x80\x03\x00\x01\x00" + len(body).to_bytes(3, "big") + body


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


places = st.lists(st.integers(0, 400), max_size=20)


def test_the_answer_to_a_key_is_that_of_the_standard() -> None:
    assert websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.lists(st.binary(max_size=150), max_size=5), places)
def test_input_is_the_same_however_its_frames_are_cut(messages: list[bytes], at: list[int]) -> None:
    sent = b"".join(client_frame(2, b"\x00" + message) for message in messages)
    caller = WebSocketCaller("v5.channel.k8s.io")
    events = [event for piece in cut(sent, at) for event in caller.feed(piece)]
    assert b"".join(event.data for event in events if isinstance(event, Input)) == b"".join(messages)


def test_a_message_in_several_frames_with_a_ping_between_them_is_one() -> None:
    caller = WebSocketCaller("v4.channel.k8s.io")
    caller.replies.clear()
    sent = client_frame(2, b"\x00ab", fin=False) + client_frame(9, b"hi") + client_frame(0, b"cd")
    assert caller.feed(sent) == [Input(b"ab"), Input(b"cd")]
    assert bytes(caller.replies) == websocket.pong(b"hi")


def test_only_v5_can_end_the_input() -> None:
    end = client_frame(2, bytes((255, 0)))
    assert WebSocketCaller("v5.channel.k8s.io").feed(end) == [InputEnd()]
    assert WebSocketCaller("v4.channel.k8s.io").feed(end) == []


def test_base64_channels_are_digits() -> None:
    caller = WebSocketCaller("v4.base64.channel.k8s.io")
    assert caller.feed(client_frame(1, b"0aGk=")) == [Input(b"hi")]
    assert caller.feed(client_frame(1, b"4eyJXaWR0aCI6OCwiSGVpZ2h0Ijo5fQ==")) == [Resize(8, 9)]
    assert websocket.message(b"1aGk=", text=True) == caller.output(1, b"hi")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x82\x01a",  # no mask
        b"\xc2\x80" + MASK,  # a reserved bit
        b"\x83\x80" + MASK,  # an unknown opcode
        b"\x09\x80" + MASK,  # a ping in parts
        b"\x89\xfe\x00\x7e" + MASK,  # a long ping
        client_frame(0, b"x"),  # goes on with nothing
        client_frame(2, b"x", fin=False) + client_frame(2, b"y"),  # a message in a message
        client_frame(8, b"x"),  # half a code
        client_frame(2, b"\x04{nonsense"),
        client_frame(2, b"\x04" + b" " * 5000),  # a size that is too long
        b"\x82\xff" + b"\xff" * 8 + MASK,  # an impossible length
    ],
)
def test_what_breaks_the_websocket_protocol_is_refused(sent: bytes) -> None:
    with pytest.raises(ProtocolError):
        WebSocketCaller("v5.channel.k8s.io").feed(sent)


def test_a_huge_frame_is_handed_on_as_it_comes() -> None:
    parser = websocket.WebSocketParser()
    parser.feed(b"\x82\xff" + (1 << 40).to_bytes(8, "big") + MASK)
    assert [len(event.data) for event in parser.feed(bytes(1000)) if isinstance(event, websocket.Piece)] == [1000]


@given(st.binary(max_size=300), places)
def test_no_bytes_make_a_parser_fall_over(data: bytes, at: list[int]) -> None:
    callers = [
        WebSocketCaller("v5.channel.k8s.io"),
        WebSocketCaller("v4.base64.channel.k8s.io"),
        SpdyCaller("v4.channel.k8s.io", ALL),
        SpdyForwarder(),
        TunnelForwarder(),
        ChannelForwarder("v4.channel.k8s.io", [80, 81]),
    ]
    for caller in callers:
        with contextlib.suppress(ProtocolError):
            for piece in cut(data, at):
                caller.feed(piece)


frames = st.builds(
    lambda kind, flags, body: b"\x80\x03\x00" + bytes((kind, flags)) + len(body).to_bytes(3, "big") + body,
    st.sampled_from([1, 2, 3, 4, 6, 7, 8, 9]),
    st.integers(0, 255),
    st.binary(max_size=40),
)


@given(st.lists(st.one_of(frames, st.binary(max_size=20).map(lambda data: client_frame(2, data))), max_size=6))
def test_well_framed_nonsense_is_refused_or_dropped(sent: list[bytes]) -> None:
    for caller in (SpdyCaller("v4.channel.k8s.io", ALL), SpdyForwarder(), TunnelForwarder()):
        with contextlib.suppress(ProtocolError):
            caller.feed(b"".join(sent))


@given(places)
def test_spdy_streams_are_the_same_however_they_are_cut(at: list[int]) -> None:
    client, caller = SpdyClient(), SpdyCaller("v4.channel.k8s.io", ALL)
    kinds = ["error", "stdin", "stdout", "stderr"]
    sent = b"".join(client.open(2 * number + 1, streamtype=kind) for number, kind in enumerate(kinds))
    sent += spdy.SpdyBuilder.data(3, b"some input") + spdy.SpdyBuilder.data(3, b"", fin=True)
    assert not caller.ready
    events = [event for piece in cut(sent, at) for event in caller.feed(piece)]
    assert caller.ready
    assert b"".join(event.data for event in events if isinstance(event, Input)) == b"some input"
    assert events[-1] == InputEnd()


def test_headers_that_swell_are_refused() -> None:
    with pytest.raises(ProtocolError, match="headers"):
        SpdyForwarder().feed(SpdyClient().open(1, streamtype="data", port="80", more="x" * 200_000))


def test_a_stream_of_no_port_is_refused_and_the_next_is_served() -> None:
    client, forwarder = SpdyClient(), SpdyForwarder()
    assert forwarder.feed(client.open(1, streamtype="data", port="99999", requestid="0")) == []
    assert bytes(forwarder.replies) == spdy.SpdyBuilder.reset(1, spdy.REFUSED)
    assert forwarder.feed(client.open(3, streamtype="data", port="80", requestid="1")) == [Opened(3, 80)]


def test_channels_of_forwarded_ports_begin_with_the_port() -> None:
    forwarder = ChannelForwarder("v4.channel.k8s.io", [80])
    assert forwarder.start() == [Opened(0, 80)]
    assert bytes(forwarder.replies) == websocket.message(b"\x00\x50\x00") + websocket.message(b"\x01\x50\x00")
    assert forwarder.feed(client_frame(2, b"\x00GET")) == [Sent(0, b"GET")]


@given(st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=60)), max_size=6), places)
def test_dockers_streams_come_apart_however_they_are_cut(written: list[tuple[int, bytes]], at: list[int]) -> None:
    sent = b"".join(bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data for stream, data in written)
    frames = DockerFrames()
    found = [pair for piece in cut(sent, at) for pair in frames.feed(piece)]
    for stream in (STDOUT, STDERR):
        assert b"".join(d for s, d in found if s == stream) == b"".join(d for s, d in written if s == stream)


def test_the_clients_first_known_protocol_is_taken() -> None:
    headers = UPGRADE | {"sec-websocket-protocol": ["v9.x, v5.channel.k8s.io", "v4.channel.k8s.io"]}
    ours = ("v4.channel.k8s.io", "v5.channel.k8s.io")
    assert agree(headers, websocket=ours, spdy=()).protocol == "v5.channel.k8s.io"


@pytest.mark.parametrize(
    "change",
    [
        {"connection": ["close"]},
        {"upgrade": ["h2c"]},
        {"sec-websocket-version": ["8"]},
        {"sec-websocket-key": ["short"]},
        {"sec-websocket-protocol": ["v9.x"]},
        {"upgrade": ["SPDY/3.1"], "x-stream-protocol-version": ["v9"]},
    ],
)
def test_an_upgrade_that_is_not_understood_is_refused(change: dict[str, list[str]]) -> None:
    with pytest.raises(BadRequest):
        agree(UPGRADE | change, websocket=("v5.channel.k8s.io", ""), spdy=("v4.channel.k8s.io",))


def test_the_exit_code_stands_among_the_causes() -> None:
    status = exited(3)
    assert status.details is not None
    assert [(cause.reason, cause.message) for cause in status.details.causes] == [("ExitCode", "3")]

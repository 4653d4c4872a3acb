"""Streams: chunks as they come, bounded memory, a leaving client, failing producers, graceful and forced stop."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable

import pytest

from master.apiserver.http.message import ClientGoneError, Request, Response, Sink, Stream
from tests.apiserver_http.live import Raw, Serve

GET = b"GET /s HTTP/1.1\r\nHost: x\r\n\r\n"


def streams(producer: Callable[[Sink], object]) -> Callable[[Request], Stream]:
    return lambda _: Stream(200, producer, content_type="application/x")  # type: ignore[arg-type]


def chunk(client: Raw) -> bytes:
    size = int(client.until(b"\r\n"), 16)
    data = client.exactly(size)
    assert client.exactly(2) == b"\r\n"
    return data


async def three(sink: Sink) -> None:
    for part in (b"one", b"", b"two", b"three" * 1000):
        await sink.write(part)


async def until_closing(sink: Sink) -> None:
    await sink.write(b"hello")
    await sink.closing.wait()
    await sink.write(b"bye")


def test_chunks_arrive_and_the_connection_serves_on(serve: Serve) -> None:
    client = serve(streams(three)).connect().send(GET + GET)
    for _ in range(2):
        head = client.response()
        assert (head.headers["transfer-encoding"], head.headers["content-type"]) == ("chunked", "application/x")
        assert [chunk(client) for _ in range(4)] == [b"one", b"two", b"three" * 1000, b""]


def test_the_head_and_a_chunk_are_sent_at_once(serve: Serve) -> None:
    client = serve(streams(until_closing)).connect().send(GET)
    assert client.response().status == 200
    assert chunk(client) == b"hello"


def test_http_1_0_gets_plain_bytes_until_the_close(serve: Serve) -> None:
    client = serve(streams(three)).connect().send(b"GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert "transfer-encoding" not in client.response().headers
    assert client.to_the_end() == b"onetwo" + b"three" * 1000


SIZE = len(b"onetwo" + b"three" * 1000)


@pytest.mark.parametrize("get", [GET, b"GET /s HTTP/1.0\r\n\r\n"])
def test_a_stream_of_known_size_says_it_and_has_no_chunks(serve: Serve, get: bytes) -> None:
    live = serve(lambda _: Stream(200, three, size=SIZE))
    reply = live.connect().send(get).response()
    assert reply.body == b"onetwo" + b"three" * 1000
    assert "transfer-encoding" not in reply.headers
    again = live.connect().send(GET + GET)
    assert [len(again.response().body) for _ in range(2)] == [SIZE, SIZE]


def test_a_stream_that_is_not_as_long_as_it_said_ends_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(lambda _: Stream(200, three, size=SIZE + 1)).connect().send(GET + GET)
    assert client.response(head_only=True).headers["content-length"] == str(SIZE + 1)
    assert len(client.to_the_end()) == SIZE
    assert f"{SIZE + 1} bytes was announced" in caplog.text


def test_head_of_a_stream_has_no_body(serve: Serve) -> None:
    client = serve(streams(three)).connect().send(b"HEAD /s HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert client.response(head_only=True).status == 200
    assert client.response(head_only=True).status == 200


def test_streams_are_not_gzipped(serve: Serve) -> None:
    async def large(sink: Sink) -> None:
        await sink.write(b"a" * 500_000)

    client = serve(streams(large)).connect()
    client.send(b"GET /s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    assert "content-encoding" not in client.response().headers
    assert chunk(client) == b"a" * 500_000


def test_a_slow_reader_holds_the_producer_back(serve: Serve) -> None:
    """1 GB is offered; what was taken while the client reads nothing is only what kernel and server buffer."""
    written = 0

    async def endless(sink: Sink) -> None:
        nonlocal written
        for _ in range(16_384):
            await sink.write(b"a" * 65_536)
            written += 65_536

    client = serve(streams(endless)).connect().send(GET)
    client.response()
    seen = -1
    while seen != written:  # until it stands still
        seen = written
        time.sleep(0.2)
    assert 0 < written < 32_000_000
    for _ in range(written // 65_536 + 50):
        assert len(chunk(client)) == 65_536
    assert written > seen, "it went on once the client read"


@pytest.mark.parametrize("in_write", [False, True])
def test_a_leaving_client_ends_the_producer(serve: Serve, in_write: bool) -> None:
    began, ends = asyncio.Event(), asyncio.Queue[type[BaseException]]()

    async def producer(sink: Sink) -> None:
        try:
            await sink.write(b"hello")
            began.set()
            while in_write:
                await sink.write(b"a" * 65_536)
            await asyncio.Event().wait()
        except BaseException as error:
            ends.put_nowait(type(error))
            raise

    live = serve(streams(producer))
    client = live.connect().send(GET)
    live.run(asyncio.wait_for(began.wait(), 5))
    client.sock.close()
    end = live.run(asyncio.wait_for(ends.get(), 5))
    assert end in ((ClientGoneError, asyncio.CancelledError) if in_write else (asyncio.CancelledError,))


def test_a_failing_producer_leaves_the_body_without_its_end(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def fails(sink: Sink) -> None:
        await sink.write(b"half")
        raise RuntimeError("boom in the producer")

    client = serve(streams(fails)).connect().send(GET)
    client.response()
    assert client.to_the_end() == b"4\r\nhalf\r\n"
    assert "boom in the producer" in caplog.text
    assert [r.levelno for r in caplog.records if r.exc_info] == [logging.ERROR]


def test_a_graceful_stop_ends_a_stream_cleanly(serve: Serve) -> None:
    live = serve(streams(until_closing))
    client, idle = live.connect().send(GET), live.connect()
    client.response()
    assert chunk(client) == b"hello"
    began = time.monotonic()
    live.run(live.server.stop(10))
    assert client.to_the_end() == b"3\r\nbye\r\n0\r\n\r\n"
    assert idle.to_the_end() == b""
    assert time.monotonic() - began < 5
    with pytest.raises(RuntimeError, match="not open"):
        _ = live.server.plain_port


def test_a_stop_lets_a_request_in_flight_be_answered(serve: Serve) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        began.set()
        await go.wait()
        return Response(200, b"done")

    live = serve(handler)
    client = live.connect().send(GET)
    live.run(asyncio.wait_for(began.wait(), 5))
    port = live.server.plain_port
    stopping = live.start(live.server.stop(10))
    wait_until_refused(port)
    live.loop.call_soon_threadsafe(go.set)
    reply = client.response()
    assert (reply.body, reply.headers["connection"]) == (b"done", "close")
    stopping.result(10)


def wait_until_refused(port: int) -> None:
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:  # refused, or reset while it still stood in the backlog
            return
    raise AssertionError("the server still accepts")


def test_what_does_not_end_in_its_grace_is_cut(serve: Serve) -> None:
    async def stubborn(sink: Sink) -> None:
        await sink.write(b"hello")
        await asyncio.Event().wait()

    live = serve(streams(stubborn))
    client = live.connect().send(GET)
    client.response()
    assert chunk(client) == b"hello"
    live.run(live.server.stop(0.1))
    assert client.to_the_end() == b"", "no end of the body: the client can tell"
    assert live.server.connections == 0

"""The table of framing tricks, the limits, and that each refusal is a Status and the end of the connection."""

import asyncio
import json
import threading
import time

import pytest

from master.apiserver.http.limits import Limits
from master.apiserver.http.message import Request, Response
from tests.apiserver_http.live import Reply, Serve, echo

HOST = b"Host: x\r\n"
POST = b"POST /a HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = {
    "content-length beside transfer-encoding": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding beside content-length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "content-length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "content-length as a list": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "content-length with a sign": POST + b"Content-Length: +3\r\n\r\nabc",
    "content-length negative": POST + b"Content-Length: -1\r\n\r\n",
    "content-length empty": POST + b"Content-Length:\r\n\r\n",
    "content-length hexadecimal": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "content-length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "transfer-encoding twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding with a tab": POST + b"Transfer-Encoding:\tchunked,\tidentity\r\n\r\n0\r\n\r\n",
    "transfer-encoding in 1.0": b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": POST + b"A: b\r\n c\r\n\r\n",
    "folded header with a tab": POST + b"A:\r\n\tc\r\n\r\n",
    "folded first header": b"GET / HTTP/1.1\r\n A: b\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "header without colon": POST + b"abc\r\n\r\n",
    "header without name": POST + b": abc\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "NUL in a header": POST + b"A: b\0c\r\n\r\n",
    "control byte in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment in the target": b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the path": b"GET /a%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "path not UTF-8": b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n",
    "relative target": b"GET a HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "host twice": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "authorization twice": POST + b"Authorization: a\r\nAuthorization: b\r\n\r\n",
    "chunk size not a number": CHUNKED + b"zz\r\n",
    "chunk size negative": CHUNKED + b"-1\r\n",
    "chunk size with a space": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": CHUNKED + b"ffffffffffffffffff\r\n",
    "chunk longer than its size": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
    "chunk ended by a line feed": CHUNKED + b"1\na\n0\n\n",
    "unknown method": b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case method": b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


def expect_refusal(reply: Reply, status: int) -> str:
    body = json.loads(reply.body)
    assert (reply.status, reply.headers["connection"]) == (status, "close")
    assert (body["kind"], body["apiVersion"], body["status"]) == ("Status", "v1", "Failure")
    assert body["code"] == status
    assert body["reason"]
    return str(body["message"])


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_a_malformed_request_is_a_400_and_nothing_behind_it_is_served(serve: Serve, raw: bytes) -> None:
    seen: list[str] = []

    def handler(request: Request) -> Response:
        seen.append(request.path)
        return echo(request)

    client = serve(handler).connect().send(raw + SMUGGLED)
    expect_refusal(client.response(), 400)
    assert client.to_the_end() == b""
    assert "/smuggled" not in seen


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 501),
        (POST + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED, 501),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (POST + b"Content-Length: 3145729\r\n\r\n", 413),
        (POST + b"Content-Length: 3145729\r\nExpect: 100-continue\r\n\r\n", 413),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (POST + b"A: b\r\n" * 200 + b"\r\n", 431),
        (POST + b"A: " + b"b" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_not_supported_or_too_large_has_its_own_code(serve: Serve, raw: bytes, status: int) -> None:
    client = serve(echo).connect().send(raw)
    expect_refusal(client.response(), status)
    assert client.to_the_end() == b""


@pytest.mark.parametrize("begin", [b"", CHUNKED + b"0\r\n", CHUNKED + b"1;"])
def test_a_line_that_never_ends_is_cut_off(serve: Serve, begin: bytes) -> None:
    client = serve(echo, header_bytes=8192).connect().send(begin or POST)
    client.send(b"x: " if b";" not in begin else b"e=")
    for _ in range(40):
        client.send(b"y" * 1000)
        time.sleep(0.001)  # separate reads on the server
    expect_refusal(client.response(), 431)


def test_a_chunked_body_over_the_limit_is_a_413(serve: Serve) -> None:
    client = serve(echo, body_bytes=1000).connect().send(CHUNKED)
    client.send(b"1f4\r\n" + b"a" * 500 + b"\r\n" + b"1f5\r\n" + b"a" * 501 + b"\r\n0\r\n\r\n")
    assert "1000 bytes" in expect_refusal(client.response(), 413)


def test_a_body_of_exactly_the_limit_is_taken(serve: Serve) -> None:
    client = serve(echo, body_bytes=1000).connect().send(POST + b"Content-Length: 1000\r\n\r\n" + b"a" * 1000)
    assert client.response().status == 200


def test_a_large_refused_upload_still_gets_to_read_its_413(serve: Serve) -> None:
    client = serve(echo).connect()
    client.send(POST + b"Content-Length: 20000000\r\n\r\n")
    sender = threading.Thread(target=lambda: client.send(b"a" * 8_000_000), name="upload")
    sender.start()
    expect_refusal(client.response(), 413)
    sender.join(10)


@pytest.mark.parametrize(("begin", "part"), [(b"GET / HT", "header"), (POST + b"Content-Length: 5\r\n\r\nab", "body")])
def test_a_slow_request_is_a_408(serve: Serve, begin: bytes, part: str) -> None:
    client = serve(echo, header_timeout_s=0.2, body_timeout_s=0.2).connect().send(begin)
    assert part in expect_refusal(client.response(), 408)
    assert client.to_the_end() == b""


def test_dribbling_bytes_do_not_extend_the_header_time(serve: Serve) -> None:
    client = serve(echo, header_timeout_s=0.3).connect().send(POST)
    began = time.monotonic()
    stop = threading.Event()

    def dribble() -> None:
        while not stop.wait(0.05):
            try:
                client.send(b"A: b\r\n")
            except OSError:
                return

    thread = threading.Thread(target=dribble, name="dribble")
    thread.start()
    expect_refusal(client.response(), 408)
    stop.set()
    thread.join(5)
    assert time.monotonic() - began < 5


def test_a_silent_and_an_idle_connection_are_closed_without_a_word(serve: Serve) -> None:
    live = serve(echo, header_timeout_s=0.2, idle_timeout_s=0.2)
    assert live.connect().to_the_end() == b""
    client = live.connect().send(SMUGGLED)
    assert client.response().status == 200
    assert client.to_the_end() == b""


def test_a_busy_connection_is_not_idle(serve: Serve) -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0.5)
        return echo(request)

    client = serve(handler, header_timeout_s=0.1, idle_timeout_s=0.1).connect().send(SMUGGLED)
    assert client.response().status == 200


def test_too_many_pipelined_requests_are_refused_after_those_in_the_limit(serve: Serve) -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        return echo(request)

    client = serve(handler, max_pipelined=3).connect().send(SMUGGLED * 10)
    replies = [client.response() for _ in range(5)]
    assert [r.status for r in replies] == [200] * 4 + [429]
    assert replies[-1].headers["retry-after"] == "1"
    assert client.to_the_end() == b""


def test_too_many_connections_are_turned_away_and_taken_again_later(serve: Serve) -> None:
    live = serve(echo, max_connections=2)
    first, second = live.connect(), live.connect()
    assert first.send(SMUGGLED).response().status == 200
    assert second.send(SMUGGLED).response().status == 200
    expect_refusal(live.connect().response(), 429)
    first.send(b"GET / HTTP/1.0\r\n\r\n").to_the_end()
    assert live.connect().send(SMUGGLED).response().status == 200


def test_a_client_that_reads_nothing_is_cut(serve: Serve) -> None:
    body = b"a" * 30_000_000
    live = serve(lambda _: Response(200, body), write_stall_s=0.3)
    client = live.connect().send(SMUGGLED)
    assert client.exactly(12) == b"HTTP/1.1 200"
    give_up = time.monotonic() + 10
    while live.server.connections and time.monotonic() < give_up:
        time.sleep(0.02)
    assert live.server.connections == 0
    assert len(client.to_the_end()) < len(body)


def test_limits_name_the_field_that_is_wrong() -> None:
    assert Limits(body_bytes=0, idle_timeout_s=-1).check() == [
        "body_bytes: must be positive",
        "idle_timeout_s: must be positive",
    ]

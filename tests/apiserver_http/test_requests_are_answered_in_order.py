"""Keep-alive, pipelining, HTTP/1.0, HEAD, 100-continue, uploads and failing handlers, seen from the wire."""

import asyncio
import json
import logging
import socket

import pytest

from master.apiserver.http.message import Answer, Request, Response
from tests.apiserver_http.live import Serve, echo

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


async def slow_on_odd(request: Request) -> Response:
    """Awaits on every second request, so that a wrong order would show."""
    if int(request.path[1:]) % 2:
        await asyncio.sleep(0.01)
    return echo(request)


def sometimes_at_once(request: Request) -> Answer:
    return echo(request) if request.path.endswith("0") else slow_on_odd(request)  # type: ignore[return-value]


@pytest.mark.parametrize("handler", [echo, slow_on_odd, sometimes_at_once])
def test_pipelined_requests_get_their_answers_in_order(serve: Serve, handler: object) -> None:
    client = serve(handler).connect().send(b"".join(GET % n for n in range(10)))
    assert [client.response().body for _ in range(10)] == [b"GET /%d " % n for n in range(10)]


def test_a_connection_serves_many_requests(serve: Serve) -> None:
    client = serve(echo).connect()
    for n in range(50):
        assert client.send(GET % n).response().body == b"GET /%d " % n


def test_a_request_may_come_byte_by_byte(serve: Serve) -> None:
    client = serve(echo).connect()
    for byte in b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi":
        client.send(bytes([byte]))
    assert client.response().body == b"POST /a hi"


def test_connection_close_is_obeyed(serve: Serve) -> None:
    client = serve(echo).connect().send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET % 1)
    assert client.response().headers["connection"] == "close"
    assert client.to_the_end() == b""


def test_http_1_0_closes_unless_asked_to_stay(serve: Serve) -> None:
    live = serve(echo)
    client = live.connect().send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.response().headers["connection"] == "close"
    assert client.to_the_end() == b""
    client = live.connect().send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert client.response().headers["connection"] == "keep-alive"
    assert client.send(GET % 7).response().body == b"GET /7 "


def test_head_tells_the_length_and_sends_no_body(serve: Serve) -> None:
    client = serve(echo).connect().send(b"HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.response(head_only=True).headers["content-length"] == "10"
    assert client.send(GET % 1).response().body == b"GET /1 "


def test_a_204_has_no_body_and_no_length(serve: Serve) -> None:
    client = serve(lambda _: Response(204, b"ignored")).connect().send(GET % 1)
    assert "content-length" not in client.response().headers
    assert client.send(GET % 1).response().status == 204


def test_100_continue_comes_before_the_body_is_sent(serve: Serve) -> None:
    client = serve(echo).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert client.response().status == 100
    assert client.send(b"abc").response().body == b"POST / abc"


def test_100_continue_waits_for_the_answers_before_it(serve: Serve) -> None:
    client = serve(slow_on_odd).connect()
    client.send(GET % 1 + b"POST /2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert client.response().body == b"GET /1 "
    assert client.response().status == 100
    assert client.send(b"z").response().body == b"POST /2 z"


def test_an_unknown_expectation_is_refused(serve: Serve) -> None:
    client = serve(echo).connect().send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n")
    assert client.response().status == 417


def test_a_chunked_upload_is_put_together_and_its_trailers_dropped(serve: Serve) -> None:
    seen: list[dict[str, str]] = []

    def handler(request: Request) -> Response:
        seen.append(request.headers)
        return echo(request)

    client = serve(handler).connect()
    client.send(b"PUT /u HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;e=v\r\ndefg\r\n")
    client.send(b"0\r\nAuthorization: Bearer forged\r\n\r\n")
    assert client.response().body == b"PUT /u abcdefg"
    assert "authorization" not in seen[0]


def test_a_repeated_header_keeps_its_values_apart(serve: Serve) -> None:
    def handler(request: Request) -> Response:
        values = request.header_values("impersonate-group")
        return Response(200, json.dumps([values, request.headers["impersonate-group"]]).encode())

    client = serve(handler).connect()
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\nImpersonate-Group: a, b\r\nImpersonate-Group: c \r\n\r\n")
    assert json.loads(client.response().body) == [["a, b", "c"], "a, b, c"]


@pytest.mark.parametrize("awaits", [False, True])
def test_a_failing_handler_is_a_500_with_a_logged_traceback(
    serve: Serve, awaits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def at_once(request: Request) -> Response:
        if request.path == "/1":
            raise RuntimeError("boom in the handler")
        return echo(request)

    async def later(request: Request) -> Response:
        return at_once(request)

    client = serve(later if awaits else at_once).connect().send(GET % 1)
    reply = client.response()
    assert (reply.status, json.loads(reply.body)["reason"]) == (500, "InternalError")
    assert client.send(GET % 2).response().body == b"GET /2 ", "the connection lives on"
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "boom in the handler" in str(record.exc_info[1])


@pytest.mark.parametrize(
    "bad",
    [
        None,
        Response(200, headers=(("X-A", "b\r\nSet-Cookie: c"),)),
        Response(200, headers=(("Content-Length", "5"),)),
        Response(200, content_type="text/plain\nx"),
        Response(200, headers=(("X-A", "☃"),)),
    ],
)
def test_an_answer_that_would_break_the_framing_is_a_500(serve: Serve, bad: Response) -> None:
    client = serve(lambda _: bad).connect().send(GET % 1)
    assert client.response().status == 500
    assert client.send(GET % 1).response().status == 500


def test_a_leaving_client_is_noticed_but_does_not_cancel_the_handler(serve: Serve) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        began.set()
        await request.disconnected.wait()
        await asyncio.sleep(0)
        ended.set()
        return echo(request)

    live = serve(handler)
    client = live.connect().send(GET % 1)
    live.run(asyncio.wait_for(began.wait(), 5))
    client.sock.close()
    live.run(asyncio.wait_for(ended.wait(), 5))


def test_what_was_answered_at_once_reaches_a_client_that_half_closed(serve: Serve) -> None:
    client = serve(echo).connect().send(GET % 1)
    client.sock.shutdown(socket.SHUT_WR)
    assert client.response().body == b"GET /1 "
    assert client.to_the_end() == b""


def test_a_handler_that_fails_after_its_client_left_is_logged_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: Request) -> Response:
        await request.disconnected.wait()
        raise RuntimeError("boom behind a gone client")

    live = serve(handler, write_stall_s=0.05)
    live.connect().send(GET % 1).sock.close()
    live.run(wait_for_text(caplog, "boom behind a gone client"))
    live.run(asyncio.sleep(0.15))  # a timer of the gone connection would have fired by now
    assert [r.name for r in caplog.records if r.levelno >= logging.ERROR] == ["master.apiserver.http.connection"]


async def wait_for_text(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(5):
        while text not in caplog.text:
            await asyncio.sleep(0.01)

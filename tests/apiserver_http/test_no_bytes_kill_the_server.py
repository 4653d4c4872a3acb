"""Hypothesis sends anything; the server answers 4xx, 5xx or closes, and then serves the next client as ever."""

import asyncio
import logging
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from master.apiserver.http.message import Handler, Request, Response
from tests.apiserver_http.live import Serve, echo

PIECES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a%2Fb?c=d HTTP/1.1\r\n",
    b"Host: x\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: Upgrade\r\nUpgrade: y\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"hello",
    b" ",
    b"\n",
    b"\0",
    b":",
]
noise = st.one_of(st.sampled_from(PIECES), st.binary(max_size=40))
messages = st.lists(noise, max_size=25)


async def later(request: Request) -> Response:
    await asyncio.sleep(0)
    return echo(request)


@pytest.mark.parametrize("handler", [echo, later])
@pytest.mark.parametrize("split", [False, True])
def test_the_server_outlives_every_message(
    serve: Serve, split: bool, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    live = serve(handler, header_timeout_s=5, linger_s=0.05)

    @settings(max_examples=400, suppress_health_check=list(HealthCheck))
    @given(messages)
    def attack(parts: list[bytes]) -> None:
        client = live.connect()
        for part in parts if split else [b"".join(parts)]:
            try:
                client.send(part)
            except OSError:
                break
        try:
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        for line in client.to_the_end().split(b"\r\n"):
            assert not line.startswith(b"HTTP/1.1 500")
        client.sock.close()
        live.clients.clear()

    attack()
    assert live.connect().send(b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n").response().body == b"GET /ok "
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]

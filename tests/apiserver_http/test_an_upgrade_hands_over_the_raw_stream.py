"""After a 101 the bytes belong to the session; a refused upgrade goes on as HTTP."""

import asyncio
import ssl
from collections.abc import Callable

import pytest

from master.apiserver.http.message import Request, Response, Tunnel, Upgrade
from master.apiserver.http.tls import TlsFiles
from tests.apiserver_http.live import Live, Raw, Serve, echo

ASK = b"POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
GET = b"GET /after HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo_session(tunnel: Tunnel) -> None:
    while data := await tunnel.reader.read(65536):
        tunnel.writer.write(data)
        await tunnel.writer.drain()


def upgrades(request: Request) -> Upgrade:
    return Upgrade("SPDY/3.1", echo_session, headers=(("X-Stream-Protocol-Version", "v4.channel.k8s.io"),))


async def upgrades_later(request: Request) -> Upgrade:
    await asyncio.sleep(0.02)
    return upgrades(request)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("handler", [upgrades, upgrades_later])
def test_bytes_are_echoed_also_those_sent_too_early(
    serve: Serve, handler: object, tls: bool, tls_files: TlsFiles, client_context: Callable[[], ssl.SSLContext]
) -> None:
    live = serve(handler, tls=tls_files)
    client = live.connect_tls(client_context()) if tls else live.connect()
    client.send(ASK + b"early\0")
    reply = client.response()
    assert (reply.status, reply.headers["upgrade"], reply.headers["connection"]) == (101, "SPDY/3.1", "Upgrade")
    assert reply.headers["x-stream-protocol-version"] == "v4.channel.k8s.io"
    assert client.exactly(6) == b"early\0"
    big = bytes(range(256)) * 1000
    client.send(big)
    assert client.exactly(len(big)) == big
    client.sock.close()
    wait_until_empty(live)


def wait_until_empty(live: Live) -> None:
    async def empty() -> None:
        while live.server.connections:
            await asyncio.sleep(0.01)

    live.run(asyncio.wait_for(empty(), 5))


def test_a_session_that_ends_closes_the_connection(serve: Serve) -> None:
    async def greet(tunnel: Tunnel) -> None:
        tunnel.writer.write(b"bye")

    live = serve(lambda _: Upgrade("x", greet))
    client = live.connect().send(ASK)
    assert client.response().status == 101
    assert client.to_the_end() == b"bye"
    wait_until_empty(live)


def test_a_session_of_a_lost_client_reads_the_end(serve: Serve) -> None:
    live = serve(upgrades)
    client = live.connect().send(ASK)
    client.response()
    client.sock.close()
    wait_until_empty(live)


@pytest.mark.parametrize("later", [False, True])
def test_a_request_behind_a_refused_upgrade_is_served(serve: Serve, later: bool) -> None:
    async def wait(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return echo(request)

    client = serve(wait if later else echo).connect().send(ASK + ASK + GET)
    assert [client.response().body for _ in range(3)] == [b"POST /exec ", b"POST /exec ", b"GET /after "]
    assert client.send(GET).response().body == b"GET /after "


def test_many_refused_upgrades_in_one_read_do_not_exhaust_the_stack(serve: Serve) -> None:
    client = serve(echo).connect().send(ASK * 2000 + GET)
    for _ in range(2000):
        client.response()
    assert client.response().body == b"GET /after "


def test_an_upgrade_nobody_asked_for_is_a_500(serve: Serve) -> None:
    assert serve(upgrades).connect().send(GET).response().status == 500


def test_a_stop_tells_the_session(serve: Serve) -> None:
    async def until_closing(tunnel: Tunnel) -> None:
        await tunnel.closing.wait()
        tunnel.writer.write(b"closing")

    live = serve(lambda _: Upgrade("x", until_closing))
    client: Raw = live.connect().send(ASK)
    client.response()
    live.run(live.server.stop(5))
    assert client.to_the_end() == b"closing"


def test_a_stubborn_session_is_cut(serve: Serve) -> None:
    live = serve(upgrades)
    client = live.connect().send(ASK)
    client.response()
    live.run(live.server.stop(0.1))
    assert client.to_the_end() == b""
    assert live.server.connections == 0

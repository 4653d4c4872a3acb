"""TCP flows that the kernel passes on: it must not be seen, but in what they cost."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from netproxy.config import Config
from netproxy.dataplane import lender as lenders
from netproxy.dataplane.lender import Lender
from netproxy.dataplane.loans import ALLOWANCE_BYTES
from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.udp import UdpTimers
from netproxy.services import Endpoint
from netproxy.state import State
from netproxy.userspace import Userspace
from tests.netproxy.conftest import kernel_lender
from tests.netproxy.servers import LIMIT_S, Server, port, read_all, wait_until

Serve = Callable[..., Server]
OUTSIDE = ("203.0.113.7",)
RESET = struct.pack("ii", 1, 0)


@dataclass
class Lending:
    """A data plane whose lender is at hand."""

    plane: DataPlane
    lender: Lender

    def address(self, endpoint: Endpoint) -> Endpoint:
        """Where a service with this endpoint is served."""
        wanted = port(endpoint, external_ips=OUTSIDE)
        return ("127.0.0.1", self.plane.apply({wanted.name: wanted}).proxy_ports[wanted.name])


@pytest.fixture
def lending() -> Iterator[Lending]:
    """A data plane that lends after three messages."""
    lender = kernel_lender(patience=3)
    plane = DataPlane(UdpTimers(unanswered_s=2.0, idle_s=0.3), lender=lender)
    plane.start()
    yield Lending(plane, lender)
    plane.stop()
    assert plane.faults == 0


@pytest.fixture
def pair(lending: Lending, serve: Serve) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client and a server whose flow is lent in both directions."""
    accepted: list[socket.socket] = []
    done = threading.Event()

    def hold(connection: socket.socket) -> None:
        accepted.append(connection)
        done.wait(6 * LIMIT_S)

    address = lending.address(serve(hold).endpoint)
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        client.sendall(b"-")
        wait_until(lambda: bool(accepted))
        server = accepted[0]
        assert server.recv(1) == b"-"
        wait_until(lambda: _talk(client, server) and lending.lender.lent == 2)
        yield client, server
        done.set()


def _talk(client: socket.socket, server: socket.socket) -> bool:
    client.sendall(b"ping")
    server.sendall(b"pong")
    return server.recv(4, socket.MSG_WAITALL) == b"ping" and client.recv(4, socket.MSG_WAITALL) == b"pong"


def test_messages_pass_without_us(lending: Lending, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    looked_away, resume = threading.Event(), threading.Event()
    lending.plane._loop.submit(lambda: (looked_away.set(), resume.wait(LIMIT_S))[0])
    looked_away.wait(LIMIT_S)
    for _ in range(100):
        assert _talk(client, server)
    resume.set()


def test_more_than_the_allowance_passes(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    for size in (100, 4000, 10_000):
        for _ in range(3 * ALLOWANCE_BYTES // size):
            client.sendall(bytes(size))
            assert len(server.recv(size, socket.MSG_WAITALL)) == size
            server.sendall(b"ok")
            assert client.recv(2, socket.MSG_WAITALL) == b"ok"


def test_the_allowance_is_renewed_while_messages_are_short(
    lending: Lending, pair: tuple[socket.socket, socket.socket]
) -> None:
    test_more_than_the_allowance_passes(pair)
    for _ in range(10):
        assert _talk(*pair)
    test_messages_pass_without_us(lending, pair)


def test_bytes_are_counted(lending: Lending, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    counters = next(iter(lending.plane.counters().values()))
    before = counters.sent.count
    heard = 0
    for _ in range(200):
        server.sendall(bytes(1000))
        heard += len(client.recv(1000, socket.MSG_WAITALL))
    server.shutdown(socket.SHUT_RDWR)
    client.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: counters.active == 0)
    told = counters.sent.count - before
    assert heard <= told <= heard + 1000  # what was said before and not yet counted


@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize("size", [0, 1, 200, 5 * ALLOWANCE_BYTES])
def test_one_may_end_and_still_hears_the_other(
    pair: tuple[socket.socket, socket.socket], first: str, size: int
) -> None:
    one, other = pair if first == "client" else pair[::-1]
    said = random.Random(size).randbytes(size)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(read_all(other)))
    reader.start()
    one.sendall(said)
    one.shutdown(socket.SHUT_WR)
    reader.join(LIMIT_S)
    assert heard == [said]
    answer = random.Random(1).randbytes(3 * ALLOWANCE_BYTES + 7)
    sender = threading.Thread(target=lambda: (other.sendall(answer), other.shutdown(socket.SHUT_WR)))
    sender.start()
    assert read_all(one) == answer
    sender.join(LIMIT_S)


@pytest.mark.parametrize("first", ["client", "server"])
def test_who_does_not_read_stops_the_other(pair: tuple[socket.socket, socket.socket], first: str) -> None:
    writer, reader = pair if first == "client" else pair[::-1]
    sent = _fill(writer)
    assert sent < 40_000_000
    # The other direction goes on.
    for _ in range(3 * ALLOWANCE_BYTES // 1000):
        reader.sendall(bytes(1000))
        assert len(writer.recv(1000, socket.MSG_WAITALL)) == 1000
    writer.shutdown(socket.SHUT_WR)
    assert len(read_all(reader)) == sent


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_reset_is_passed_on(pair: tuple[socket.socket, socket.socket], first: str) -> None:
    one, other = pair if first == "client" else pair[::-1]
    one.sendall(b"last words")
    assert other.recv(10, socket.MSG_WAITALL) == b"last words"
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    one.shutdown(socket.SHUT_RD)
    _reset(one)
    with pytest.raises(ConnectionResetError):
        other.recv(1)


def test_a_reset_of_one_who_does_not_read_is_passed_on(
    lending: Lending, pair: tuple[socket.socket, socket.socket]
) -> None:
    client, _server = pair
    _fill(client)
    counters = next(iter(lending.plane.counters().values()))
    _reset(client)
    wait_until(lambda: counters.active == 0)


def test_nothing_stays_with_the_kernel(lending: Lending, pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    assert len(lending.lender.directions) == 2
    free = len(lending.lender._free)
    client.shutdown(socket.SHUT_RDWR)
    server.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not lending.lender.directions)
    assert len(lending.lender._free) == free + 2


def test_a_kernel_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lenders.platform, "release", lambda: "5.15.0-91-generic")
    with pytest.raises(OSError, match=r"Linux 5\.15.* is older than 6\.6") as raised:
        Lender()
    assert raised.value.errno == errno.EOPNOTSUPP


def test_the_setting_lends_and_where_it_cannot_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kernel_lender(patience=0).close()
    config = Config(sockmap=True, chain_prefix="STDL", state_file=tmp_path / "state.json", iptables_mode="nft")

    def lends() -> bool:
        mode = Userspace(config, State())
        mode.stop()
        return mode._plane.lender is not None

    assert lends()
    monkeypatch.setattr(lenders.platform, "release", lambda: "4.18.0")
    assert not lends()
    assert "sockmap not to be had, all connections are copied" in caplog.text


@pytest.mark.parametrize("seed", range(2))
def test_random_flows_arrive_whole(lending: Lending, seed: int) -> None:
    lent = asyncio.run(random_flows(lending, seed, flows=40))
    assert lent > 0


async def random_flows(lending: Lending, seed: int, *, flows: int) -> int:
    """Flows of random messages, pauses and ends, all at once; each side hears what the other said. Directions lent."""
    before = lending.lender.lent
    outcomes: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = int.from_bytes(await reader.readexactly(4), "big")
        try:
            await _one_side(reader, writer, (seed, number, "server"), (seed, number, "client"))
        except Exception as error:  # noqa: BLE001 (told to the test)
            outcomes.put_nowait(error)
        else:
            outcomes.put_nowait(None)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = await asyncio.to_thread(lending.address, server.sockets[0].getsockname())

        async def ask(number: int) -> None:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(number.to_bytes(4, "big"))
            await _one_side(reader, writer, (seed, number, "client"), (seed, number, "server"))

        async with asyncio.timeout(6 * LIMIT_S):
            await asyncio.gather(*map(ask, range(flows)))
            assert [await outcomes.get() for _ in range(flows)] == [None] * flows
    counters = next(iter(lending.plane.counters().values()))
    wait_until(lambda: counters.active == 0)
    return lending.lender.lent - before


def _speech(who: object) -> list[bytes]:
    """What one side says, message by message."""
    choice = random.Random(repr(who))
    largest = choice.choice((10, 300, 3000, 20_000, 200_000))
    return [choice.randbytes(choice.randint(1, largest)) for _ in range(choice.randint(0, 60))]


async def _one_side(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, me: object, other: object) -> None:
    choice = random.Random(repr(me) + "pauses")
    patient = choice.random() < 0.5

    async def speak() -> None:
        for message in _speech(me):
            writer.write(message)
            await writer.drain()
            if patient or choice.random() < 0.3:
                await asyncio.sleep(choice.random() * 0.01)
        writer.write_eof()

    async def listen() -> None:
        expected = memoryview(b"".join(_speech(other)))
        while chunk := await reader.read(choice.choice((10, 1000, 100_000))):
            assert chunk == expected[: len(chunk)]
            expected = expected[len(chunk) :]
            if choice.random() < 0.02:
                await asyncio.sleep(choice.random() * 0.05)
        assert not expected

    await asyncio.gather(speak(), listen())
    writer.close()


def _fill(sock: socket.socket) -> int:
    """Write until nothing more is taken for a while; bytes taken."""
    sock.settimeout(1.0)
    sent = 0
    try:
        while sent < 80_000_000:
            sent += sock.send(bytes(65536))
    except TimeoutError:
        sock.settimeout(LIMIT_S)
    return sent


def _reset(sock: socket.socket) -> None:
    """End it with a reset, also where another thread still has it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end = time.monotonic() + LIMIT_S
    while sock.fileno() >= 0 and time.monotonic() < end:
        sock.close()

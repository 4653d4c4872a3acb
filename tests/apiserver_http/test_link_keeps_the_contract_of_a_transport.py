"""One socket as a transport, plain and over TLS: order, back-pressure, both ends of a connection, handshakes."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from master.apiserver.http.link import Link
from master.apiserver.http.listener import Listener
from master.apiserver.http.tls import TlsFiles, server_context
from tests.apiserver_http.live import WAIT_S, running_loop

LARGE = bytes(range(256)) * 40_000  # 10 MB: more than the kernel takes for a reader that sleeps


@dataclass
class Recorder(asyncio.Protocol):
    """Notes what a transport tells, and what it was told."""

    made: "list[Recorder]"
    told: list[str] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    keep_open: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Link)
        self.link = transport
        self.made.append(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.told.append("data")

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.told.append("full")

    def resume_writing(self) -> None:
        self.told.append("room")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost" if exc is None else f"lost: {type(exc).__name__}")


class Bench:
    """A listener on a loop of its own; its connections are told apart by their order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, files: TlsFiles | None, *, handshake_s: float = WAIT_S) -> None:
        self.loop = loop
        self.made: list[Recorder] = []
        self.socks: list[socket.socket] = []
        self._context = server_context(files) if files is not None else None
        self._client = ssl.create_default_context(cafile=files.client_ca) if files is not None else None
        self.listener: Listener = self.do(lambda: self._listen(handshake_s))

    def _listen(self, handshake_s: float) -> Listener:
        return Listener(
            "127.0.0.1",
            0,
            factory=lambda: Recorder(self.made),
            context=self._context,
            handshake_s=handshake_s,
        )

    def do(self, work: Callable[[], Any]) -> Any:
        """Call on the loop; what it returns."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(WAIT_S)

    def until(self, condition: Callable[[], object]) -> None:
        async def run() -> None:
            async with asyncio.timeout(WAIT_S):
                while not condition():
                    await asyncio.sleep(0.005)

        asyncio.run_coroutine_threadsafe(run(), self.loop).result(2 * WAIT_S)

    def dial(self) -> socket.socket:
        """Without speaking TLS."""
        sock = socket.create_connection(("127.0.0.1", self.listener.port), timeout=WAIT_S)
        self.socks.append(sock)
        return sock

    def connect(self) -> tuple[socket.socket, Recorder]:
        """A client and what the server knows of it. An end without TLS's own is an error to it."""
        number, sock = len(self.made), self.dial()
        if self._client is not None:
            sock = self._client.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
            self.socks.append(sock)
        self.until(lambda: len(self.made) > number)
        return sock, self.made[number]

    def close(self) -> None:
        self.do(self.listener.close)
        self.do(lambda: [one.link.abort() for one in self.made])
        for sock in self.socks:
            sock.close()


Make = Callable[..., Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    with contextlib.ExitStack() as stack:

        def start(files: TlsFiles | None, **settings: Any) -> Bench:
            bench = Bench(stack.enter_context(running_loop()), files, **settings)
            stack.callback(bench.close)
            return bench

        yield start


@pytest.fixture(params=["plain", "TLS"])
def bench(request: pytest.FixtureRequest, make: Make, tls_files: TlsFiles) -> Bench:
    return make(tls_files if request.param == "TLS" else None)


def read(sock: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        data = sock.recv(65536)
        assert data, f"the end after {len(found)} of {size} bytes"
        found += data
    return bytes(found)


def test_bytes_go_both_ways_in_order(bench: Bench) -> None:
    client, server = bench.connect()
    client.sendall(LARGE)
    bench.until(lambda: len(server.data) == len(LARGE))
    assert server.data == LARGE
    for piece in (b"one ", b"two ", b"three"):
        bench.do(lambda piece=piece: server.link.write(piece))
    assert read(client, 13) == b"one two three"


def test_a_reader_that_sleeps_shuts_the_gate_and_loses_nothing(bench: Bench) -> None:
    client, server = bench.connect()
    bench.do(lambda: [server.link.write(LARGE[start : start + 100_000]) for start in range(0, len(LARGE), 100_000)])
    assert server.told == ["full"]
    assert 0 < bench.do(server.link.get_write_buffer_size) < len(LARGE)
    assert read(client, len(LARGE)) == LARGE
    bench.until(lambda: server.told == ["full", "room"])
    assert bench.do(server.link.get_write_buffer_size) == 0


def test_a_close_waits_for_what_was_written(bench: Bench) -> None:
    client, server = bench.connect()
    bench.do(lambda: (server.link.write(LARGE), server.link.close()))
    assert "lost" not in server.told
    assert read(client, len(LARGE)) == LARGE
    assert client.recv(1) == b"", "over TLS an end that is cut short raises"
    bench.until(lambda: server.told[-1] == "lost")


def test_an_abort_drops_what_was_written(bench: Bench) -> None:
    client, server = bench.connect()
    bench.do(lambda: (server.link.write(LARGE), server.link.abort()))
    bench.until(lambda: server.told[-1] == "lost")
    assert bench.do(server.link.get_write_buffer_size) == 0
    with pytest.raises((AssertionError, ssl.SSLError, ConnectionError)):
        read(client, len(LARGE))
    assert server.told.count("lost") == 1


def test_a_client_that_is_gone_is_told_once(bench: Bench) -> None:
    client, server = bench.connect()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    bench.until(lambda: any(word.startswith("lost") for word in server.told))
    bench.do(lambda: (server.link.write(b"to nobody"), server.link.close(), server.link.abort()))
    assert len([word for word in server.told if word.startswith("lost")]) == 1


def test_a_paused_link_reads_nothing_until_it_is_resumed(bench: Bench) -> None:
    client, server = bench.connect()
    bench.do(server.link.pause_reading)
    client.sendall(b"hello")
    other, _ = bench.connect()
    other.sendall(b"x")
    bench.until(lambda: bench.made[1].data == b"x")
    assert (server.data, server.link.is_reading()) == (b"", False)
    bench.do(server.link.resume_reading)
    bench.until(lambda: server.data == b"hello")


def test_a_plain_client_that_only_listens_is_answered_and_hears_the_end(make: Make) -> None:
    bench = make(None)
    client, server = bench.connect()
    server.keep_open = True
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    bench.until(lambda: server.told == ["data", "eof"])
    bench.do(lambda: (server.link.write(LARGE), server.link.write_eof(), server.link.write(b"after the end")))
    assert read(client, len(LARGE)) == LARGE
    assert client.recv(1) == b""
    bench.do(server.link.close)
    bench.until(lambda: server.told[-1] == "lost")


@pytest.mark.parametrize("how", ["close_notify", "end of the stream"])
def test_a_tls_client_that_ends_hears_the_end(make: Make, tls_files: TlsFiles, how: str) -> None:
    bench = make(tls_files)
    client, server = bench.connect()
    assert not server.link.can_write_eof(), "TLS has no half of an end"
    client.sendall(b"question")
    bench.until(lambda: server.data == b"question")
    if how == "close_notify":
        assert isinstance(client, ssl.SSLSocket)
        client.unwrap()
    else:
        client.shutdown(socket.SHUT_WR)
    bench.until(lambda: server.told[-1].startswith("lost"))
    assert server.told[1:-1] in (["eof"], []), "an end without TLS's own may count as a broken connection"


def test_who_stalls_in_the_handshake_is_let_go_and_keeps_nobody_waiting(make: Make, tls_files: TlsFiles) -> None:
    bench = make(tls_files, handshake_s=0.5)
    silent, half = bench.dial(), bench.dial()
    half.sendall(b"\x16\x03\x01\x02\x00\x01")  # the first bytes of a greeting
    client, server = bench.connect()
    client.sendall(b"x")
    bench.until(lambda: server.data == b"x")
    assert silent.recv(1) == half.recv(1) == b""
    assert len(bench.made) == 1, "no protocol was made for them"


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 1000])
def test_what_is_no_handshake_ends_the_connection_alone(make: Make, tls_files: TlsFiles, nonsense: bytes) -> None:
    bench = make(tls_files)
    stranger = bench.dial()
    stranger.sendall(nonsense)
    with contextlib.suppress(ConnectionResetError):
        while stranger.recv(65536):
            pass
    client, server = bench.connect()
    client.sendall(b"x")
    bench.until(lambda: server.data == b"x")
    assert len(bench.made) == 1


def test_a_handshake_anew_is_refused(make: Make, tls_files: TlsFiles) -> None:
    """TLS 1.2 lets a client ask for another one in the middle, which costs the server far more than the client."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is not installed; run scripts/setup-host --tests"
    bench = make(tls_files)
    place = f"127.0.0.1:{bench.listener.port}"
    # A line "R" asks for it; the answer comes before the line behind it is sent, or the end does.
    done = subprocess.run(
        [openssl, "s_client", "-tls1_2", "-connect", place, "-CAfile", str(tls_files.client_ca)],
        input=b"R\nafter\n",
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stdout + done.stderr
    assert bench.made[0].data in (b"", b"after\n")
    client, server = bench.connect()
    client.sendall(b"x")
    bench.until(lambda: server.data == b"x")

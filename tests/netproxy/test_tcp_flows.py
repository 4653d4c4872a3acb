"""TCP through the data plane, with real sockets on loopback."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from netproxy.dataplane.plane import DataPlane
from netproxy.services import Endpoint
from tests.e2e.waiting import until
from tests.netproxy.servers import LIMIT_S, Server, ask, closed_port, naming, port, read_all

Serve = Callable[..., Server]
OUTSIDE = ("203.0.113.7",)
"""A service with such an address has a proxy port of its own, at which it is found without any rule."""


def proxied(plane: DataPlane, *endpoints: Endpoint, affinity_s: int | None = None) -> Endpoint:
    """Where a service with these endpoints is served."""
    wanted = port(*endpoints, affinity_s=affinity_s, external_ips=OUTSIDE)
    applied = plane.apply({wanted.name: wanted})
    return ("127.0.0.1", applied.proxy_ports[wanted.name])


@contextlib.contextmanager
def busy(plane: DataPlane) -> Iterator[None]:
    """Keep the loop from its work, and give it something else to do besides what happens meanwhile."""
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        let_go.wait(LIMIT_S)

    plane._loop.submit(hold)
    assert held.wait(LIMIT_S)
    plane._loop.submit(lambda: None)
    yield
    let_go.set()


@pytest.fixture
def black_hole() -> Iterator[Endpoint]:
    """An address that answers no connection attempt: a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        endpoint: Endpoint = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(endpoint)
        yield endpoint
        for filler in fillers:
            filler.close()


def test_connections_are_spread_in_turn(plane: DataPlane, serve: Serve) -> None:
    servers = [serve(naming(name)) for name in (b"a", b"b", b"c")]
    address = proxied(plane, *(s.endpoint for s in servers))
    assert [ask(address) for _ in range(6)] == [b"a", b"b", b"c"] * 2


def test_a_client_with_affinity_stays(plane: DataPlane, serve: Serve) -> None:
    servers = [serve(naming(name)) for name in (b"a", b"b")]
    address = proxied(plane, *(s.endpoint for s in servers), affinity_s=60)
    assert {ask(address) for _ in range(5)} == {b"a"}


def test_the_client_may_end_first_and_still_gets_the_answer(plane: DataPlane, serve: Serve) -> None:
    def count(connection: socket.socket) -> None:
        connection.sendall(b"%d bytes" % len(read_all(connection)))

    address = proxied(plane, serve(count).endpoint)
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        client.sendall(b"x" * 300_000)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"300000 bytes"


def test_the_server_may_end_first_and_still_reads(plane: DataPlane, serve: Serve) -> None:
    heard: list[bytes] = []

    def speak_then_listen(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    address = proxied(plane, serve(speak_then_listen).endpoint)
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        assert read_all(client) == b"hello"
        client.sendall(b"y" * 200_000)
    until(lambda: heard == [b"y" * 200_000])


def test_megabytes_arrive_whole_both_ways_at_once(plane: DataPlane, serve: Serve) -> None:
    def echo(connection: socket.socket) -> None:
        while chunk := connection.recv(65536):
            connection.sendall(chunk)

    address = proxied(plane, serve(echo).endpoint)
    payload = b"".join(struct.pack(">I", n) for n in range(2_000_000))
    with socket.create_connection(address, timeout=LIMIT_S) as client:

        def send() -> None:
            client.sendall(payload)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert read_all(client) == payload
        sender.join(LIMIT_S)


def test_the_last_words_and_the_end_take_one_packet(plane: DataPlane, serve: Serve) -> None:
    client = _after_all_was_said(plane, serve, lambda server: server.sendall(b"all I say"))
    with client:
        assert read_all(client) == b"all I say"
        # The answer to the client's SYN, and the packet in question.
        assert _segments_in(client) == 2


def test_what_follows_an_urgent_byte_arrives_before_the_end(plane: DataPlane, serve: Serve) -> None:
    def speak(server: socket.socket) -> None:
        server.sendall(b"before ")
        server.send(b"!", socket.MSG_OOB)
        server.sendall(b"after")

    with _after_all_was_said(plane, serve, speak) as client:
        assert read_all(client) == b"before after"


def test_a_client_that_never_reads_stops_the_server_from_sending(plane: DataPlane, serve: Serve) -> None:
    progress = [0]

    def flood(connection: socket.socket) -> None:
        while True:
            progress[0] += connection.send(b"z" * 65536)

    flooding, quick = serve(flood), serve(naming(b"quick"))
    address = proxied(plane, flooding.endpoint)
    with socket.create_connection(address, timeout=LIMIT_S):
        stalled = _stalled(progress)
        assert 0 < stalled < 40_000_000
        # Others are served meanwhile.
        assert ask(proxied(plane, quick.endpoint)) == b"quick"
        assert progress[0] == stalled


def test_what_waited_for_a_slow_client_arrives_whole(plane: DataPlane, serve: Serve) -> None:
    size = 30_000_000
    progress = [0]

    def burst(connection: socket.socket) -> None:
        data = memoryview(b"w" * size)
        while progress[0] < size:
            progress[0] += connection.send(data[progress[0] : progress[0] + 65536])

    address = proxied(plane, serve(burst).endpoint)
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        _stalled(progress)
        assert len(read_all(client)) == size


def test_a_refusing_endpoint_is_skipped_unnoticed(plane: DataPlane, serve: Serve) -> None:
    alive = serve(naming(b"alive"))
    address = proxied(plane, closed_port(), alive.endpoint, closed_port())
    assert [ask(address) for _ in range(6)] == [b"alive"] * 6


def test_early_data_reach_the_endpoint_that_answers(plane: DataPlane, serve: Serve) -> None:
    def echo_once(connection: socket.socket) -> None:
        connection.sendall(connection.recv(100))

    address = proxied(plane, closed_port(), serve(echo_once).endpoint)
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        client.sendall(b"early")
        assert read_all(client) == b"early"


def test_an_endpoint_is_asked_at_once_where_there_is_nothing_else_to_do(plane: DataPlane, serve: Serve) -> None:
    address = proxied(plane, serve(naming(b"web")).endpoint)
    plane._waits.first_words.wait_s = 10 * LIMIT_S
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        assert read_all(client) == b"web"


def test_an_endpoint_is_asked_when_the_client_has_spoken(plane: DataPlane, serve: Serve) -> None:
    def echo_once(connection: socket.socket) -> None:
        connection.sendall(connection.recv(100))

    address = proxied(plane, serve(echo_once).endpoint)
    plane._waits.first_words.wait_s = 10 * LIMIT_S
    counters = next(iter(plane.counters().values()))
    with busy(plane):
        client = socket.create_connection(address, timeout=LIMIT_S)
    with client:
        until(lambda: counters.accepted == 1)
        plane._call([lambda: None])  # the turn in which it came is over
        assert not counters.picks
        client.sendall(b"at last")
        assert read_all(client) == b"at last"


def test_where_clients_wait_for_the_endpoint_to_speak_only_the_first_is_waited_for(
    plane: DataPlane, serve: Serve
) -> None:
    address = proxied(plane, serve(naming(b"welcome")).endpoint)
    with busy(plane):
        first = socket.create_connection(address, timeout=LIMIT_S)
    with first:
        assert read_all(first) == b"welcome"
    plane._waits.first_words.wait_s = 10 * LIMIT_S
    with busy(plane):
        clients = [socket.create_connection(address, timeout=LIMIT_S) for _ in range(20)]
    for client in clients:
        with client:
            assert read_all(client) == b"welcome"


def test_a_silent_endpoint_is_left_for_the_next(plane: DataPlane, serve: Serve, black_hole: Endpoint) -> None:
    alive = serve(naming(b"alive"))
    assert ask(proxied(plane, black_hole, alive.endpoint)) == b"alive"


def test_a_silent_endpoint_does_not_stall_others(plane: DataPlane, serve: Serve, black_hole: Endpoint) -> None:
    stuck = port(black_hole, service="stuck", external_ips=OUTSIDE)
    web = port(serve(naming(b"web")).endpoint, external_ips=OUTSIDE)
    applied = plane.apply({stuck.name: stuck, web.name: web})
    waiting = [socket.create_connection(("127.0.0.1", applied.proxy_ports[stuck.name])) for _ in range(8)]
    assert [ask(("127.0.0.1", applied.proxy_ports[web.name])) for _ in range(20)] == [b"web"] * 20
    assert plane.counters()[stuck.name].active == len(waiting)
    for client in waiting:
        client.close()


def test_without_endpoints_the_client_is_reset_at_once(plane: DataPlane) -> None:
    address = proxied(plane)
    with pytest.raises(ConnectionResetError):
        ask(address)


def test_when_all_endpoints_refuse_the_client_is_reset(plane: DataPlane) -> None:
    with pytest.raises(ConnectionResetError):
        ask(proxied(plane, closed_port(), closed_port()))


def test_a_reset_of_the_server_reaches_the_client_after_its_data(plane: DataPlane, serve: Serve) -> None:
    go_on = threading.Event()

    def speak_and_reset(connection: socket.socket) -> None:
        connection.sendall(b"last words")
        go_on.wait(LIMIT_S)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    address = proxied(plane, serve(speak_and_reset).endpoint)
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        assert client.recv(100) == b"last words"
        go_on.set()
        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_a_reset_of_the_client_reaches_the_server(plane: DataPlane, serve: Serve) -> None:
    ends: list[int | None] = []

    def listen(connection: socket.socket) -> None:
        try:
            read_all(connection)
            ends.append(None)
        except OSError as error:
            ends.append(error.errno)

    server = serve(listen)
    client = socket.create_connection(proxied(plane, server.endpoint), timeout=LIMIT_S)
    client.sendall(b"hello")
    until(lambda: bool(server.peers))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    until(lambda: ends == [errno.ECONNRESET])


def test_a_client_reset_is_noticed_while_the_server_does_not_read(plane: DataPlane, serve: Serve) -> None:
    ends = threading.Event()

    def never_read(connection: socket.socket) -> None:
        ends.wait(LIMIT_S)

    address = proxied(plane, serve(never_read).endpoint)
    client = socket.create_connection(address, timeout=LIMIT_S)
    client.setblocking(False)
    progress = [0]

    def fill() -> None:
        while True:
            try:
                progress[0] += client.send(b"f" * 65536)
            except BlockingIOError:
                return

    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        fill()
        time.sleep(0.01)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    counters = next(iter(plane.counters().values()))
    until(lambda: counters.active == 0)
    ends.set()


def test_connections_to_removed_endpoints_go_on(plane: DataPlane, serve: Serve) -> None:
    def echo(connection: socket.socket) -> None:
        while chunk := connection.recv(100):
            connection.sendall(chunk)

    old, new = serve(echo), serve(naming(b"new"))
    with socket.create_connection(proxied(plane, old.endpoint), timeout=LIMIT_S) as client:
        client.sendall(b"1")
        assert client.recv(10) == b"1"
        assert ask(proxied(plane, new.endpoint)) == b"new"
        plane.apply({})
        client.sendall(b"2")
        assert client.recv(10) == b"2"


def test_a_removed_service_stops_listening(plane: DataPlane, serve: Serve) -> None:
    address = proxied(plane, serve(naming(b"a")).endpoint)
    plane.apply({})
    with pytest.raises(ConnectionRefusedError):
        ask(address)


def test_nothing_stays_open_after_many_connections(plane: DataPlane, serve: Serve) -> None:
    address = proxied(plane, closed_port(), serve(naming(b"a")).endpoint)
    for _ in range(100):
        assert ask(address) == b"a"
    counters = next(iter(plane.counters().values()))
    until(lambda: counters.active == 0)
    assert counters.accepted == 100
    assert counters.refused == 0


def _stalled(progress: list[int]) -> int:
    """How far it got when it has not moved for a while."""
    seen: list[tuple[float, int]] = [(time.monotonic(), -1)]

    def at_rest() -> bool:
        if progress[0] != seen[-1][1] or not progress[0]:
            seen.append((time.monotonic(), progress[0]))
        return time.monotonic() - seen[-1][0] > 0.3

    until(at_rest)
    return progress[0]


def _after_all_was_said(plane: DataPlane, serve: Serve, speak: Callable[[socket.socket], None]) -> socket.socket:
    """A connection whose server has spoken and ended before the data plane looked at it."""
    go_on, resume, looked_away = threading.Event(), threading.Event(), threading.Event()

    def wait_and_speak(connection: socket.socket) -> None:
        go_on.wait(LIMIT_S)
        speak(connection)

    def look_away() -> None:
        looked_away.set()
        resume.wait(LIMIT_S)

    server = serve(wait_and_speak)
    client = socket.create_connection(proxied(plane, server.endpoint), timeout=LIMIT_S)
    until(lambda: bool(server.peers))
    plane._loop.submit(look_away)
    looked_away.wait(LIMIT_S)
    go_on.set()
    until(lambda: server.ended == 1)
    resume.set()
    return client


def _segments_in(sock: socket.socket) -> int:
    """linux/tcp.h, struct tcp_info: tcpi_segs_in."""
    (count,) = struct.unpack_from("=I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 140)
    return int(count)

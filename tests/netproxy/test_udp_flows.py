"""UDP through the data plane, with real sockets on loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from netproxy.dataplane.plane import DataPlane
from netproxy.services import Endpoint, Protocol
from tests.e2e.waiting import until
from tests.netproxy.servers import LIMIT_S, closed_port, port

NewSocket = Callable[[], socket.socket]


@pytest.fixture
def new_socket() -> Iterator[NewSocket]:
    """Makes bound UDP sockets that are closed with the test."""
    made: list[socket.socket] = []

    def make() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(LIMIT_S)
        made.append(sock)
        return sock

    yield make
    for sock in made:
        sock.close()


def proxied(plane: DataPlane, *endpoints: Endpoint, affinity_s: int | None = None) -> Endpoint:
    """Where a UDP service with these endpoints is served."""
    wanted = port(*endpoints, protocol=Protocol.UDP, affinity_s=affinity_s)
    return ("127.0.0.1", plane.apply({wanted.name: wanted}).proxy_ports[wanted.name])


def active(plane: DataPlane) -> int:
    """Flows there are now."""
    return next(iter(plane.counters().values())).active


def test_each_client_gets_its_own_flow_and_answers(plane: DataPlane, new_socket: NewSocket) -> None:
    first, second = new_socket(), new_socket()
    address = proxied(plane, first.getsockname(), second.getsockname())
    for server in (first, second):
        client = new_socket()
        for _ in range(2):
            client.sendto(b"ping", address)
            data, proxy = server.recvfrom(100)
            server.sendto(data + b"!", proxy)
            assert client.recvfrom(100) == (b"ping!", address)
    assert active(plane) == 2


def test_the_largest_datagram_passes_both_ways(plane: DataPlane, new_socket: NewSocket) -> None:
    server, client = new_socket(), new_socket()
    payload = b"x" * 65_507
    client.sendto(payload, proxied(plane, server.getsockname()))
    data, proxy = server.recvfrom(70_000)
    assert data == payload
    server.sendto(payload, proxy)
    assert client.recv(70_000) == payload


def test_an_empty_datagram_passes(plane: DataPlane, new_socket: NewSocket) -> None:
    server, client = new_socket(), new_socket()
    client.sendto(b"", proxied(plane, server.getsockname()))
    assert server.recvfrom(10)[0] == b""


def test_a_flow_ends_soon_after_its_answer(plane: DataPlane, new_socket: NewSocket) -> None:
    server, client = new_socket(), new_socket()
    client.sendto(b"?", proxied(plane, server.getsockname()))
    server.sendto(b"!", server.recvfrom(10)[1])
    assert client.recv(10) == b"!"
    until(lambda: active(plane) == 0, limit_s=1.5)


def test_many_flows_share_a_timer_and_none_stays_with_the_last(plane: DataPlane, new_socket: NewSocket) -> None:
    server = new_socket()
    address = proxied(plane, server.getsockname())
    for _ in range(50):
        client = new_socket()
        client.sendto(b"ping", address)
        data, proxy = server.recvfrom(10)
        server.sendto(data, proxy)
        assert client.recv(10) == b"ping"
        assert len(plane._loop._timers) == 1
    until(lambda: active(plane) == 0)
    until(lambda: not plane._loop._timers)


def test_a_slow_first_answer_is_not_lost(plane: DataPlane, new_socket: NewSocket) -> None:
    """The fixture's flows end 0.3 s after an answer, but 2 s without one."""
    server, client = new_socket(), new_socket()
    client.sendto(b"?", proxied(plane, server.getsockname()))
    proxy = server.recvfrom(10)[1]
    server.settimeout(0.6)
    with pytest.raises(TimeoutError):
        server.recvfrom(10)
    server.sendto(b"late", proxy)
    assert client.recv(10) == b"late"


def test_flows_to_an_endpoint_that_is_gone_move_at_once(plane: DataPlane, new_socket: NewSocket) -> None:
    old, new, client = new_socket(), new_socket(), new_socket()
    client.sendto(b"1", proxied(plane, old.getsockname()))
    assert old.recv(10) == b"1"
    client.sendto(b"2", proxied(plane, new.getsockname()))
    assert new.recv(10) == b"2"


def test_an_endpoint_that_refuses_is_left_at_the_next_datagram(plane: DataPlane, new_socket: NewSocket) -> None:
    alive, client = new_socket(), new_socket()
    alive.settimeout(0.1)
    address = proxied(plane, closed_port(), alive.getsockname())

    def arrives() -> bool:
        client.sendto(b"hello", address)
        try:
            return alive.recv(10) == b"hello"
        except TimeoutError:
            return False

    until(arrives)


def test_a_service_without_endpoints_drops_and_counts(plane: DataPlane, new_socket: NewSocket) -> None:
    new_socket().sendto(b"?", proxied(plane))
    until(lambda: next(iter(plane.counters().values())).refused == 1)


def test_flows_end_with_their_service(plane: DataPlane, new_socket: NewSocket) -> None:
    server, client = new_socket(), new_socket()
    address = proxied(plane, server.getsockname())
    client.sendto(b"1", address)
    assert server.recv(10) == b"1"
    counters = next(iter(plane.counters().values()))
    plane.apply({})
    assert counters.active == 0

"""One proxy port for the cluster addresses of all TCP services: the kernel tells where a connection was going."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from netproxy.dataplane.plane import DataPlane
from netproxy.services import PortName, ServicePort
from tests.netproxy.networks import Namespace, namespace
from tests.netproxy.servers import LIMIT_S, Server, ask, naming, port

pytestmark = pytest.mark.netns


@pytest.fixture
def inside() -> Iterator[Namespace]:
    """This test's thread is in a namespace where all of the range is redirected to one port, which tests set."""
    with namespace() as made, made.inside():
        made.run("ip", "address", "add", "192.0.2.9/32", "dev", "lo")
        made.run("ip", "route", "add", "10.99.0.0/16", "dev", "lo")
        yield made


@pytest.fixture
def led(inside: Namespace, plane: DataPlane) -> DataPlane:
    """A data plane to which the range is redirected."""
    target = ["-j", "REDIRECT", "--to-ports", str(plane.cluster_port)]
    inside.run("iptables", "-t", "nat", "-A", "OUTPUT", "-d", "10.99.0.0/16", "-p", "tcp", *target)
    return plane


def serve_all(plane: DataPlane, *wanted: ServicePort) -> dict[PortName, ServicePort]:
    """Make this the wanted state."""
    state = {one.name: one for one in wanted}
    plane.apply(state)
    return state


def test_services_share_a_port_and_each_client_gets_where_it_meant(
    led: DataPlane, serve: Callable[..., Server]
) -> None:
    one = port(serve(naming(b"one")).endpoint, service="one", cluster_ip="10.99.0.1")
    two = port(serve(naming(b"two")).endpoint, service="two", cluster_ip="10.99.0.2")
    applied = led.apply({one.name: one, two.name: two})
    assert set(applied.proxy_ports.values()) == {led.cluster_port}
    assert [ask((ip, 80)) for ip in ("10.99.0.1", "10.99.0.2", "10.99.0.1")] == [b"one", b"two", b"one"]


def test_an_address_of_no_service_is_reset(led: DataPlane, serve: Callable[..., Server]) -> None:
    one = port(serve(naming(b"one")).endpoint, cluster_ip="10.99.0.1")
    serve_all(led, one)
    for address in (("10.99.0.1", 81), ("10.99.0.2", 80), ("127.0.0.1", led.cluster_port)):
        with pytest.raises(ConnectionResetError), socket.create_connection(address, timeout=LIMIT_S) as sock:
            sock.recv(1)
    serve_all(led)
    with pytest.raises(ConnectionResetError):
        ask(("10.99.0.1", 80))


def test_an_address_that_moves_to_another_service_stays_with_it(led: DataPlane, serve: Callable[..., Server]) -> None:
    old = port(serve(naming(b"old")).endpoint, service="old", cluster_ip="10.99.0.1")
    new = port(serve(naming(b"new")).endpoint, service="new", cluster_ip="10.99.0.1")
    serve_all(led, old)
    serve_all(led, new)
    assert ask(("10.99.0.1", 80)) == b"new"
    moved = port(*new.endpoints, service="new", cluster_ip="10.99.0.3")
    serve_all(led, moved)
    assert ask(("10.99.0.3", 80)) == b"new"
    with pytest.raises(ConnectionResetError):
        ask(("10.99.0.1", 80))


def test_only_what_is_said_to_be_touched_is_looked_at(led: DataPlane, serve: Callable[..., Server]) -> None:
    one = port(serve(naming(b"one")).endpoint, service="one", cluster_ip="10.99.0.1")
    state = serve_all(led, one)
    two = port(serve(naming(b"two")).endpoint, service="two", cluster_ip="10.99.0.2")
    applied = led.apply({**state, two.name: two}, touched=[two.name])
    assert set(applied.proxy_ports) == {one.name, two.name}
    assert ask(("10.99.0.2", 80)) == b"two"
    led.apply({one.name: one}, touched=[two.name])
    assert ask(("10.99.0.1", 80)) == b"one"
    with pytest.raises(ConnectionResetError):
        ask(("10.99.0.2", 80))

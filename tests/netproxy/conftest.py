"""A running data plane and servers that end with the test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.udp import UdpTimers
from tests.netproxy.networks import POD_IP, Site, site
from tests.netproxy.nodes import Node
from tests.netproxy.servers import Server, naming


@pytest.fixture
def plane() -> Iterator[DataPlane]:
    """A running data plane with short UDP timers."""
    plane = DataPlane(UdpTimers(unanswered_s=2.0, idle_s=0.3))
    plane.start()
    yield plane
    plane.stop()
    assert plane.faults == 0


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts TCP servers that are stopped with the test."""
    servers: list[Server] = []

    def start(handler: Callable[[socket.socket], None], address: str = "127.0.0.1", port: int = 0) -> Server:
        server = Server(handler, address, port)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def place() -> Iterator[Site]:
    """A node, a pod on it, a client outside."""
    with site() as made:
        yield made


@pytest.fixture
def node(place: Site, way: str) -> Iterator[Node]:
    """A mode at work on that node, in the way that the test's module chooses."""
    node = Node(place, way)
    yield node
    node.mode.stop()
    assert node.mode.faults == 0


@pytest.fixture
def pods(place: Site) -> Iterator[Callable[[bytes], Server]]:
    """Starts servers in the pod's namespace that say their names."""
    servers: list[Server] = []

    def start(name: bytes) -> Server:
        with place.pod.inside():
            servers.append(Server(naming(name), POD_IP))
        return servers[-1]

    yield start
    for server in servers:
        server.close()

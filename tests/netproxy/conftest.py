"""A running data plane and servers that end with the test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.udp import UdpTimers
from tests.netproxy.servers import Server


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

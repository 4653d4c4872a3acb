"""Real servers and clients for the tests of netproxy."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from netproxy.services import Endpoint, PortName, Protocol, ServicePort
from tests.e2e.waiting import LIMIT_S


def port(
    *endpoints: Endpoint,
    service: str = "web",
    protocol: Protocol = Protocol.TCP,
    node_port: int = 0,
    affinity_s: int | None = None,
    cluster_ip: str = "10.99.0.10",
    external_ips: tuple[str, ...] = (),
) -> ServicePort:
    """A service port 80 with these endpoints."""
    return ServicePort(
        name=PortName("default", service, "http"),
        protocol=protocol,
        cluster_ip=cluster_ip,
        port=80,
        node_port=node_port,
        affinity_s=affinity_s,
        external_ips=external_ips,
        endpoints=endpoints,
    )


class Server:
    """A TCP server that handles each connection in a thread of its own; all are joined at the end."""

    def __init__(self, serve: Callable[[socket.socket], None], address: str = "127.0.0.1", port: int = 0) -> None:
        self.sock = socket.create_server((address, port), backlog=128)
        self.endpoint: Endpoint = self.sock.getsockname()
        self.peers: list[Endpoint] = []
        self.ended = 0
        """Connections that were served and are closed."""
        self._serve = serve
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, name="test-server")
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self.sock.accept()
            except OSError:
                return
            self.peers.append(peer)
            connection.settimeout(LIMIT_S)
            self._open.append(connection)
            thread = threading.Thread(target=self._one, args=(connection,), name="test-connection")
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection)
        self.ended += 1

    def close(self) -> None:
        """Stop accepting, cut what is open, join all threads."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self._acceptor.join(LIMIT_S)
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LIMIT_S)


def naming(name: bytes) -> Callable[[socket.socket], None]:
    """A server that says its name to whoever connects, and ends."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(name)

    return serve


def read_all(sock: socket.socket) -> bytes:
    """All bytes until the end of stream."""
    data = bytearray()
    while chunk := sock.recv(65536):
        data += chunk
    return bytes(data)


def ask(address: Endpoint) -> bytes:
    """Connect, and read until the end."""
    with socket.create_connection(address, timeout=LIMIT_S) as sock:
        return read_all(sock)


def closed_port() -> Endpoint:
    """An address of this host where a connection is refused."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        endpoint: Endpoint = sock.getsockname()
    return endpoint

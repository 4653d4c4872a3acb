"""What serves one service port: its own listening sockets, and its place among the cluster addresses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from netproxy.dataplane.backends import Backends
from netproxy.dataplane.listeners import TcpListener
from netproxy.dataplane.udp import UdpListener, UdpTimers
from netproxy.services import Protocol, ServicePort

Listener = TcpListener | UdpListener


@dataclass(slots=True, kw_only=True)
class Served:
    """One service port with its sockets; owned by the thread that calls `apply`."""

    protocol: Protocol
    backends: Backends
    proxy: Listener | None = None
    """Its own way in; None while the port that all cluster addresses share is enough."""
    proxy_port: int
    node: Listener | None = None
    node_port: int = 0
    wanted: ServicePort | None = None
    """None: not taken by the loop yet."""

    def listeners(self) -> list[Listener]:
        """All sockets it has."""
        return [listener for listener in (self.proxy, self.node) if listener is not None]

    def ports(self) -> list[int]:
        """The ports of these sockets."""
        return ([self.proxy_port] if self.proxy is not None else []) + ([self.node_port] if self.node_port else [])

    def update(self, port: ServicePort) -> Callable[[], None]:
        """The loop's part of a change: new endpoints, another affinity."""
        listeners = [listener for listener in self.listeners() if isinstance(listener, UdpListener)]
        backends = self.backends

        def update() -> None:
            backends.balancer.update(port.endpoints, port.affinity_s)
            backends.proxy_protocol = port.proxy_protocol
            backends.counters.keep(port.endpoints)
            for listener in listeners:
                listener.keep(port.endpoints)

        return update


def listener_of(protocol: Protocol, sock: socket.socket, backends: Backends, timers: UdpTimers) -> Listener:
    """What takes the clients of this socket."""
    if protocol is Protocol.TCP:
        return TcpListener(sock, backends)
    return UdpListener(sock, backends, timers)


def cluster_key(port: ServicePort) -> bytes:
    """The cluster address as the kernel tells it of a redirected connection (port and address, network order)."""
    return port.port.to_bytes(2, "big") + socket.inet_aton(port.cluster_ip)


def in_cluster_table(port: ServicePort) -> bool:
    """Whether the shared port finds it: by one cluster address, over TCP (of datagrams it is not told)."""
    return port.protocol is Protocol.TCP and bool(port.cluster_ip)


def needs_own_port(port: ServicePort) -> bool:
    """Whether it is reached by more than a cluster address."""
    return not in_cluster_table(port) or bool(port.node_port or port.external_ips or port.load_balancer_ips)

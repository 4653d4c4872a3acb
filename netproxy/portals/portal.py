"""A portal: where one service port is reached, and the local ports that serve it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netproxy.services import PortName, Protocol, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """Where one service port is reached, and the local port that serves it."""

    name: str
    protocol: Protocol
    target_port: int
    port: int
    cluster_ip: str = ""
    """Empty when it has none."""
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    """Who may use the load balancer's addresses; empty: everybody."""
    near_port: int = 0
    """The local port for clients on this node and in its pods; 0: the same as for all."""


def portals(
    wanted: Wanted, proxy_ports: Mapping[PortName, int], held: Mapping[PortName, int], refuse_port: int
) -> tuple[Portal, ...]:
    """The portals of a wanted state, in the order of names.

    A service port without endpoints leads to the refusing port. A node port is redirected only while it is held:
    otherwise another program answers there, and its clients are not ours.
    """

    def target(name: PortName) -> int:
        return proxy_ports[name] if wanted[name].endpoints else refuse_port

    return tuple(
        Portal(
            name=str(name),
            protocol=port.protocol,
            target_port=target(name),
            cluster_ip=port.cluster_ip,
            port=port.port,
            node_port=held.get(name, 0),
            external_ips=port.external_ips,
            load_balancer_ips=tuple(ip for ip in port.load_balancer_ips if ip not in port.external_ips),
            source_ranges=port.source_ranges,
            near_port=target(port.near) if port.near is not None and port.near in wanted else 0,
        )
        for name, port in sorted(wanted.items())
    )

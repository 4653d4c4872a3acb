"""What the proxy is asked to serve: one value per port of a service, and how two wanted states differ.

Plain values only: nothing here knows the API, sockets or iptables. `translate` makes these values from API objects,
the data plane and the portals read them. Only IPv4 is spoken; `translate` leaves other addresses out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

Endpoint = tuple[str, int]
"""Address and port of a pod that may take new connections."""

EXTERNAL = "external"
"""The scope of a service port that serves only what comes by node port or external address."""


class Protocol(Enum):
    """Transport of a service port, spelled as in the API."""

    TCP = "TCP"
    UDP = "UDP"


class PortName(NamedTuple):
    """Which port of which service; the port's name is empty when the service has one unnamed port.

    `scope` is empty, or EXTERNAL for the second half of a service whose inside and outside clients are led to
    different endpoints.
    """

    namespace: str
    service: str
    port: str
    scope: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}{'/' * bool(self.scope)}{self.scope}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One port of a service as wanted: where it is reached, and which endpoints take new connections."""

    name: PortName
    protocol: Protocol
    cluster_ip: str
    """Empty when it is not reached by one."""
    port: int
    node_port: int = 0
    """0 when the service has none."""
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    """Who may use the load balancer's addresses, as CIDRs; empty: everybody."""
    affinity_s: int | None = None
    """Seconds a client stays with its endpoint; None: every connection is balanced anew."""
    proxy_protocol: bool = False
    """Whether endpoints are told the client's address by a header (TCP, userspace only)."""
    near: PortName | None = None
    """The service port that serves clients on this node and in its pods instead, at the same addresses."""
    endpoints: tuple[Endpoint, ...] = ()


Wanted = Mapping[PortName, ServicePort]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """What a load balancer outside asks about a service on this node."""

    namespace: str
    service: str
    port: int
    """Where it asks, on the node."""
    local_endpoints: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A service of which something is not served: an IPv6 address, a wish not understood. Its owner is told."""

    namespace: str
    service: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """All that this node is to do."""

    ports: Wanted
    health_checks: tuple[HealthCheck, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    """Addresses of this node's pods."""
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two wanted states, in a stable order."""

    added: tuple[PortName, ...]
    removed: tuple[PortName, ...]
    changed: tuple[PortName, ...]

    @property
    def names(self) -> tuple[PortName, ...]:
        """All that is not the same."""
        return self.added + self.removed + self.changed

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        return f"added={len(self.added)} removed={len(self.removed)} changed={len(self.changed)}"


def difference(old: Wanted, new: Wanted) -> Difference:
    """Compare two wanted states port by port. One that was not made anew is not looked into."""
    found = [name for name, port in new.items() if (last := old.get(name)) is not port and last != port]
    added = [name for name in found if name not in old]
    removed = [name for name in old if name not in new] if len(old) + len(added) > len(new) else []
    return Difference(
        added=tuple(sorted(added)),
        removed=tuple(sorted(removed)),
        changed=tuple(sorted(name for name in found if name in old)),
    )

"""Which of the wanted service ports one rule can serve, and which need rules of their own. Pure, kept between passes.

A service port that is reached by its cluster address alone and served by the shared port is a member of a set: it costs
an entry of 6 bytes when it comes, goes, or gets its first or last endpoint, and nothing when its endpoints move.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netproxy.portals.sets import Member
from netproxy.services import PortName, ServicePort, Wanted


@dataclass(slots=True)
class Split:
    """`cluster_port`: the shared port. `use_set`: whether there is a set; without one all need rules."""

    cluster_cidr: str
    cluster_port: int
    use_set: bool = False
    owners: dict[Member, PortName] = field(default_factory=dict)
    """The members of the set, and whose they are."""
    rest: dict[PortName, ServicePort] = field(default_factory=dict)
    """Those that need rules of their own."""
    _by_name: dict[PortName, Member] = field(default_factory=dict)
    _first: int = field(init=False)
    _last: int = field(init=False)

    def __post_init__(self) -> None:
        network = ipaddress.IPv4Network(self.cluster_cidr)
        self._first, self._last = int(network.network_address), int(network.broadcast_address)

    def forget(self) -> None:
        """Begin anew."""
        self.owners.clear()
        self.rest.clear()
        self._by_name.clear()

    def update(self, wanted: Wanted, touched: Iterable[PortName], proxy_ports: Mapping[PortName, int]) -> None:
        """Take what is wanted of these names now."""
        for name in touched:
            if (before := self._by_name.pop(name, None)) is not None and self.owners.get(before) == name:
                del self.owners[before]
            self.rest.pop(name, None)
            port = wanted.get(name)
            if port is None:
                continue
            if not (self.use_set and proxy_ports[name] == self.cluster_port and self._in_range(port.cluster_ip)):
                self.rest[name] = port
            elif port.endpoints:
                member = port.port.to_bytes(2, "big") + socket.inet_aton(port.cluster_ip)
                self.owners[member] = name
                self._by_name[name] = member

    def _in_range(self, address: str) -> bool:
        return self._first <= int.from_bytes(socket.inet_aton(address), "big") <= self._last

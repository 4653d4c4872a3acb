"""Our nftables table as values, built purely from what is wanted.

The shape is constant, the maps grow with the services::

    prerouting, output -> dispatch -> @services   protocol . address . port : goto svc-...
                                      @nodeports  protocol . port           : goto svc-...
    svc-...            -> DNAT by numgen, or by the sets of clients that endpoints have (affinity)
    input, forward, output (filter) -> refuse: addresses of services that nobody serves, the rest of the service range

A packet that is to be masqueraded carries a mark from there to postrouting, as with kube-proxy, and the same bit. Each
rule bears a digest of itself as its comment: so it is known again, whatever words nft shows it in.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netproxy.services import Desired, Endpoint, PortName, ServicePort

MASQUERADE_BIT = 14
"""kube-proxy's default of iptablesMasqueradeBit."""
MAX_CLIENTS = 65_536
"""Clients that the affinity of one endpoint remembers."""

_MARK = f"{1 << MASQUERADE_BIT:#x}"
_UNMARK = f"{0xFFFFFFFF ^ (1 << MASQUERADE_BIT):#x}"
_NAT = -105
"""Before Docker and others, which translate at -100 (dstnat): whoever is first translates a connection."""
_ADDRESSES = "inet_proto . ipv4_addr . inet_service"
_PORTS = "inet_proto . inet_service"
_ADDRESS_KEY = "meta l4proto . ip daddr . th dport"
_PORT_KEY = "meta l4proto . th dport"


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules, and where they are hooked in: empty for a chain that others lead to."""

    rules: tuple[str, ...]
    hook: str = ""

    @property
    def digests(self) -> tuple[str, ...]:
        """What the rules are known by."""
        return tuple(digest(rule) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Collection:
    """A map to verdicts, or a set (its verdicts are empty)."""

    kind: str
    declaration: str
    elements: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """All that is in our table."""

    chains: Mapping[str, Chain]
    collections: Mapping[str, Collection]


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def build(desired: Desired, held: Mapping[PortName, int], cluster_cidr: str) -> Table:
    """The table for what is wanted; a node port is led only while it is held."""
    made = _Build(desired)
    for name, port in sorted(desired.ports.items()):
        made.add(port, held.get(name, 0))
    refuse = (
        f"{_ADDRESS_KEY} @empty-services goto turn-away",
        f"fib daddr type local {_PORT_KEY} @empty-nodeports goto turn-away",
        f"ip daddr {cluster_cidr} goto turn-away",
    )
    chains = {
        "prerouting": Chain(("jump dispatch",), f"type nat hook prerouting priority {_NAT}"),
        "output": Chain(("jump dispatch",), f"type nat hook output priority {_NAT}"),
        "postrouting": Chain(_postrouting(desired.pod_cidrs), f"type nat hook postrouting priority {-_NAT - 10}"),
        "filter-input": Chain(("ct state new jump refuse",), "type filter hook input priority -110"),
        "filter-forward": Chain(("ct state new jump refuse",), "type filter hook forward priority -110"),
        "filter-output": Chain(("ct state new jump refuse",), f"type filter hook output priority {_NAT + 10}"),
        "dispatch": Chain(
            (
                f"{_ADDRESS_KEY} vmap @services",
                f"ip daddr != 127.0.0.0/8 fib daddr type local {_PORT_KEY} vmap @nodeports",
            )
        ),
        "refuse": Chain(refuse),
        "turn-away": Chain(("meta l4proto tcp reject with tcp reset", "reject with icmp type port-unreachable")),
    }
    return Table({**chains, **made.chains}, made.collections())


def _postrouting(pod_cidrs: Iterable[str]) -> tuple[str, ...]:
    """Pods of this node keep their address towards pods of others; pods of one bridge answer each other past us."""
    pods = _anonymous(pod_cidrs)
    keep = (f"ip saddr {pods} ip daddr != {pods} return",) if pods else ()
    return (
        f"meta mark & {_MARK} != {_MARK} return",
        f"meta mark set meta mark & {_UNMARK}",
        *keep,
        "masquerade",
    )


class _Build:
    """Gathers what services add."""

    def __init__(self, desired: Desired) -> None:
        self.chains: dict[str, Chain] = {}
        self._desired = desired
        self._services: dict[str, str] = {}
        self._node_ports: dict[str, str] = {}
        self._empty_services: dict[str, str] = {}
        self._empty_node_ports: dict[str, str] = {}
        self._clients: dict[str, Collection] = {}

    def add(self, port: ServicePort, held_node_port: int) -> None:
        """One service port."""
        protocol, chain = port.protocol.value.lower(), chain_name(port.name)
        for address in filter(None, (port.cluster_ip, *port.external_ips, *port.load_balancer_ips)):
            key = f"{protocol} . {address} . {port.port}"
            restricted = address in port.load_balancer_ips and bool(port.source_ranges)
            if self._served(port):
                target = self._restricted(port, address) if restricted else chain
                self._services.setdefault(key, f"goto {target}")
            # What is not translated by then has no endpoint, or is not let in.
            if restricted or not port.endpoints:
                self._empty_services[key] = ""
        if held_node_port:
            key = f"{protocol} . {held_node_port}"
            if self._served(port):
                self._node_ports.setdefault(key, f"goto {chain}")
            if not port.endpoints:
                self._empty_node_ports[key] = ""
        if self._served(port):
            self.chains[chain] = Chain((*self._near(port), *self._picks(port)))

    def collections(self) -> dict[str, Collection]:
        """The maps and sets."""
        return {
            "services": Collection("map", f"type {_ADDRESSES} : verdict", self._services),
            "nodeports": Collection("map", f"type {_PORTS} : verdict", self._node_ports),
            "empty-services": Collection("set", f"type {_ADDRESSES}", self._empty_services),
            "empty-nodeports": Collection("set", f"type {_PORTS}", self._empty_node_ports),
            **self._clients,
        }

    def _served(self, port: ServicePort) -> bool:
        """Whether anybody is led anywhere."""
        return bool(port.endpoints or self._near_port(port))

    def _near_port(self, port: ServicePort) -> ServicePort | None:
        near = self._desired.ports.get(port.near) if port.near is not None else None
        return near if near is not None and near.endpoints else None

    def _near(self, port: ServicePort) -> list[str]:
        near = self._near_port(port)
        if near is None:
            return []
        target, pods = chain_name(near.name), _anonymous(self._desired.pod_cidrs)
        return [
            *([f"ip saddr {pods} goto {target}"] if pods else []),
            f"fib saddr type local goto {target}",
        ]

    def _picks(self, port: ServicePort) -> list[str]:
        """Outside clients of the policy Local are not masqueraded: their pods are here, and see who they are."""
        mark = [f"meta mark set meta mark | {_MARK}"] if port.near is None else []
        if not port.endpoints:
            return []
        if port.affinity_s is not None:
            return [*mark, *self._sticky_picks(port, port.affinity_s)]
        targets = ", ".join(f"{n} : {address} . {number}" for n, (address, number) in enumerate(port.endpoints))
        protocol = port.protocol.value.lower()
        count = len(port.endpoints)
        return [*mark, f"meta l4proto {protocol} dnat ip to numgen inc mod {count} map {{ {targets} }}"]

    def _sticky_picks(self, port: ServicePort, affinity_s: int) -> list[str]:
        """An endpoint's set holds its clients; a pin dies with the set, when the endpoint goes."""
        chains, known = [], []
        for address, number in port.endpoints:
            chain, clients = _endpoint_names(port.name, (address, number))
            chains.append(chain)
            known.append(f"ip saddr @{clients} goto {chain}")
            # One declaration whatever the timeout: a changed one counts from the client's next connection.
            declaration = f"type ipv4_addr; size {MAX_CLIENTS}; flags dynamic,timeout"
            self._clients[clients] = Collection("set", declaration)
            translate = f"meta l4proto {port.protocol.value.lower()} dnat to {address}:{number}"
            self.chains[chain] = Chain((f"update @{clients} {{ ip saddr timeout {affinity_s}s }}", translate))
        targets = ", ".join(f"{n} : goto {chain}" for n, chain in enumerate(chains))
        return [*known, f"numgen inc mod {len(chains)} vmap {{ {targets} }}"]

    def _restricted(self, port: ServicePort, address: str) -> str:
        """A chain that lets in whom the load balancer's address is for, and the node that has the address."""
        sources = _anonymous((*port.source_ranges, f"{address}/32"))
        name = f"lb-{digest(f'{port.name} {address}')}"
        self.chains[name] = Chain((f"ip saddr {sources} goto {chain_name(port.name)}",))
        return name


def chain_name(name: PortName) -> str:
    """Unique by its digest, readable by its rest."""
    return f"svc-{digest(str(name))}-{name.namespace}/{name.service}"[:100]


def _endpoint_names(name: PortName, endpoint: Endpoint) -> tuple[str, str]:
    mark = digest(f"{name} {endpoint[0]}:{endpoint[1]}")
    return f"ep-{mark}", f"clients-{mark}"


def _anonymous(ranges: Iterable[str]) -> str:
    """A set of ranges that do not overlap, as nft wants them; "" for none."""
    networks = ipaddress.collapse_addresses(ipaddress.IPv4Network(one) for one in ranges)
    text = ", ".join(str(network) for network in networks)
    return f"{{ {text} }}" if text else ""

"""What the kernel is to hold so that pods of other nodes are reached. Pure.

A node on the same segment gets a plain route. One behind a router, which knows nothing of pods, is reached through a
VXLAN tunnel without learning: a route to the tunnel's other end, that end's link address, and the host behind it. The
link address follows from the node's own address, so nobody has to tell it.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.network.modes import AUTO, VXLAN
from agent.network.peers import Peer, Problem

VXLAN_BYTES = 50  # outer Ethernet, IPv4, UDP and VXLAN headers (RFC 7348)


@dataclass(frozen=True, slots=True)
class Way:
    """How this host reaches an address: out of which interface, its MTU, and through which router ("" for none)."""

    device: str
    mtu: int
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """``source``: the address from which this host itself speaks to those pods; "" leaves it to the kernel."""

    cidr: str
    gateway: str
    device: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Our end: one device."""

    device: str
    vni: int
    port: int
    local: str
    mac: str
    mtu: int


@dataclass(frozen=True, slots=True)
class TunnelEnd:
    """Another's end: its address inside the tunnel, its link address, and the host that has it."""

    inner: str
    mac: str
    host: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of it. ``peers``: those that are reached."""

    routes: frozenset[Route] = frozenset()
    tunnel: Tunnel | None = None
    ends: frozenset[TunnelEnd] = frozenset()
    peers: tuple[Peer, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the settings say."""

    mode: str
    device: str
    vni: int
    port: int


@dataclass(slots=True)
class _Sorted:
    plain: list[tuple[Peer, Way]] = field(default_factory=list)
    tunnelled: list[tuple[Peer, Way]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def wanted(own: Peer, peers: Sequence[Peer], ways: Mapping[str, Way | None], choice: Choice) -> Wanted:
    """``ways``: for each peer's address how it is reached now, None when it is not."""
    found = _sorted(peers, ways, choice)
    source = gateway_of(own.cidr)
    device = choice.device
    routes = {Route(peer.cidr, peer.address, way.device) for peer, way in found.plain}
    routes |= {Route(peer.cidr, network_of(peer.cidr), device, source) for peer, _ in found.tunnelled}
    tunnel = None
    if found.tunnelled:
        mtu = min(way.mtu for _, way in found.tunnelled) - VXLAN_BYTES
        tunnel = Tunnel(device, choice.vni, choice.port, own.address, mac_of(own.address), mtu)
    return Wanted(
        frozenset(routes),
        tunnel,
        frozenset(TunnelEnd(network_of(p.cidr), mac_of(p.address), p.address) for p, _ in found.tunnelled),
        tuple(peer for peer, _ in (*found.plain, *found.tunnelled)),
        tuple(found.problems),
    )


def _sorted(peers: Sequence[Peer], ways: Mapping[str, Way | None], choice: Choice) -> _Sorted:
    found = _Sorted()
    for peer in peers:
        way = ways.get(peer.address)
        if way is None:
            found.problems.append(Problem(peer.name, f"this host has no route to its address {peer.address}"))
        elif choice.mode == VXLAN or (choice.mode == AUTO and way.gateway):
            found.tunnelled.append((peer, way))
        elif way.gateway:
            told = f"{peer.address} is behind the router {way.gateway}: a plain route cannot lead there, see {VXLAN}"
            found.problems.append(Problem(peer.name, told))
        else:
            found.plain.append((peer, way))
    return found


def mac_of(address: str) -> str:
    """A locally administered link address that holds the IPv4 address: one a host, and everybody can work it out."""
    return "02:84:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def network_of(cidr: str) -> str:
    """The first address of a range, which no pod has."""
    return str(ipaddress.IPv4Network(cidr).network_address)


def gateway_of(cidr: str) -> str:
    """The address of the pod bridge."""
    return str(ipaddress.IPv4Network(cidr)[1])

"""The rules of iptables as values: built purely, compared as text, written by `iptables`.

The shape is constant, only the entries grow with the services::

    PREROUTING, OUTPUT -> <PREFIX>-PREROUTING, <PREFIX>-OUTPUT
        service range   -> <PREFIX>-CLUSTER    one rule for a set of TCP addresses and ports, one per other address and
                                               port; the rest of the range is refused
        anything        -> <PREFIX>-EXTERNAL   one rule per external or load-balancer address and port
        local addresses -> <PREFIX>-NODEPORT   one rule per node port

so traffic that is not for a service passes three rules, and one more for each run of proxy ports, which are refused
to those who ask for them by number. Refusing is done in the same table, by a redirect to a port at
which the kernel answers with a reset (TCP) or "port unreachable" (UDP): it works wherever others put their own rules
in the filter table, and everything is one table, so one transaction.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netproxy.portals.portal import Portal
from netproxy.services import Protocol

MAX_CHAIN_NAME = 28
"""Characters the kernel takes for the name of a chain, xtables-legacy."""

_SUFFIXES = ("PREROUTING", "OUTPUT", "CLUSTER", "EXTERNAL", "NODEPORT")
MAX_PREFIX = MAX_CHAIN_NAME - 1 - max(map(len, _SUFFIXES))

_COMMENT = re.compile(r"[^A-Za-z0-9._:/-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """The content of our chains in the nat table, and the jumps that lead into them."""

    chains: tuple[str, ...]
    rules: tuple[str, ...]
    """Lines as iptables-restore takes them."""
    jumps: tuple[tuple[str, str], ...]
    """Built-in chain, our chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What all rules of one node share."""

    prefix: str
    cluster_cidr: str
    refuse_port: int
    pod_cidrs: tuple[str, ...] = ()
    """Addresses of this node's pods: with the node itself they are who is near."""
    cluster_set: str = ""
    """Name of the set of cluster addresses that the shared port serves; empty: there is none."""
    cluster_port: int = 0
    guarded: Mapping[Protocol, tuple[int, ...]] = field(default_factory=dict)
    """Proxy ports: reached by a redirect only, refused to those who ask for them by number from outside."""


def build(wanted: Iterable[Portal], layout: Layout) -> Ruleset:
    """All rules for these portals. A cluster address outside the service range is treated as an external one."""
    cidr = ipaddress.IPv4Network(layout.cluster_cidr)
    chain = {suffix: f"{layout.prefix}-{suffix}" for suffix in _SUFFIXES}
    cluster = [_of_set(layout)] if layout.cluster_set else []
    external: list[str] = []
    node: list[str] = []
    for portal in wanted:
        if portal.cluster_ip:
            inside = ipaddress.IPv4Address(portal.cluster_ip) in cidr
            (cluster if inside else external).append(
                _to_address(portal, portal.cluster_ip, Way("", portal.target_port))
            )
        for address in portal.external_ips:
            external += [_to_address(portal, address, way) for way in ways(portal, layout, ())]
        for address in portal.load_balancer_ips:
            external += [_to_address(portal, address, way) for way in _ways_of_load_balancer(portal, layout, address)]
        if portal.node_port:
            node += [_to_port(portal, way) for way in ways(portal, layout, ())]
    skeleton = [
        f"-A {chain[entry]} {match}-j {chain[target]}"
        for entry in ("PREROUTING", "OUTPUT")
        for match, target in (
            (f"-d {cidr} ", "CLUSTER"),
            ("", "EXTERNAL"),
            ("-m addrtype --dst-type LOCAL ", "NODEPORT"),
        )
    ]
    refuse = [f"-p {protocol} {_redirect(layout.refuse_port)}" for protocol in ("tcp", "udp")]
    return Ruleset(
        chains=tuple(chain.values()),
        rules=(
            *skeleton,
            *(f"-A {chain['PREROUTING']} {rule}" for rule in _guard(layout)),
            *(f"-A {chain['CLUSTER']} {rule}" for rule in cluster + refuse),
            *(f"-A {chain['EXTERNAL']} {rule}" for rule in external),
            *(f"-A {chain['NODEPORT']} {rule}" for rule in node),
        ),
        jumps=(("PREROUTING", chain["PREROUTING"]), ("OUTPUT", chain["OUTPUT"])),
    )


@dataclass(frozen=True, slots=True)
class Way:
    """Who is led to which port."""

    match: str
    """A match on the source that ends with a space, or empty for everybody."""
    port: int


def ways(portal: Portal, layout: Layout, allowed: tuple[str, ...]) -> list[Way]:
    """Near clients first, if they are led elsewhere. `allowed`: the ranges that may come at all, none for everybody."""
    found = []
    if portal.near_port:
        for source in allowed or ("",):
            found.append(Way(f"{_from(source)}-m addrtype --src-type LOCAL ", portal.near_port))
            near = (overlap(source or "0.0.0.0/0", cidr) for cidr in layout.pod_cidrs)
            found += [Way(_from(one), portal.near_port) for one in near if one]
    return found + [Way(_from(source), portal.target_port) for source in allowed or ("",)]


def _ways_of_load_balancer(portal: Portal, layout: Layout, address: str) -> list[Way]:
    """With ranges, all others are refused, but for the address itself: the node that has it asks with it."""
    found = ways(portal, layout, portal.source_ranges)
    if portal.source_ranges:
        found += [Way(_from(f"{address}/32"), portal.near_port or portal.target_port), Way("", layout.refuse_port)]
    return found


def overlap(one: str, other: str) -> str:
    """What two ranges share: the smaller one, or "" when they are apart."""
    first, second = ipaddress.IPv4Network(one), ipaddress.IPv4Network(other)
    if first.subnet_of(second):
        return str(first)
    return str(second) if second.subnet_of(first) else ""


def _from(source: str) -> str:
    return f"-s {source} " if source else ""


def _of_set(layout: Layout) -> str:
    return f"-p tcp -m set --match-set {layout.cluster_set} dst,dst {_redirect(layout.cluster_port)}"


def _guard(layout: Layout) -> list[str]:
    return [
        f"-p {name} -m addrtype --dst-type LOCAL -m {name} --dport {first}:{last} {_redirect(layout.refuse_port)}"
        for protocol, numbers in layout.guarded.items()
        for name in (protocol.value.lower(),)
        for first, last in runs(numbers)
    ]


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The numbers as ranges, each with its first and last."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def chains_of(prefix: str) -> tuple[str, ...]:
    """The names of all chains a proxy with this prefix makes."""
    return tuple(f"{prefix}-{suffix}" for suffix in _SUFFIXES)


def _to_address(portal: Portal, address: str, way: Way) -> str:
    target = ipaddress.IPv4Address(address)
    return f"{way.match}-d {target}/32 {_match(portal, portal.port)} {_redirect(way.port)}"


def _to_port(portal: Portal, way: Way) -> str:
    return f"{way.match}{_match(portal, portal.node_port)} {_redirect(way.port)}"


def _match(portal: Portal, port: int) -> str:
    protocol = portal.protocol.value.lower()
    comment = _COMMENT.sub("_", portal.name)
    return f'-p {protocol} -m {protocol} --dport {port} -m comment --comment "{comment}"'


def _redirect(port: int) -> str:
    return f"-j REDIRECT --to-ports {port}"

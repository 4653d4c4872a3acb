"""Which other nodes there are, and what of them is believed. Pure.

A Node object is another's word: a range that would take our own pods, a node's address or another node's pods is
refused, so that one wrong node costs nobody else anything.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from api.core import Node

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_WIDEST = 8  # a range of pods wider than a /8 is a mistake


@dataclass(frozen=True, slots=True)
class Peer:
    """A node: its address on the network between hosts, and the range of its pods. IPv4."""

    name: str
    address: str
    cidr: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the pods of a node are not reached."""

    node: str
    message: str


def peers_of(nodes: Iterable[Node], own: Peer) -> tuple[list[Peer], list[Problem]]:
    """The other nodes whose pods are to be reached, oldest first. A node that has no range or address yet waits."""
    others = [peer for node in sorted(nodes, key=_age) if node.metadata.name != own.name if (peer := _peer(node))]
    addresses = [own.address, *(peer.address for peer in others)]
    taken, problems = [own], list[Problem]()
    for peer in others:
        message = _fault(peer, taken, addresses, own)
        if message:
            problems.append(Problem(peer.name, message))
        else:
            taken.append(peer)
    return taken[1:], problems


def same_way(old: Node | None, new: Node | None) -> bool:
    """Whether a change of a Node says nothing new about how its pods are reached."""
    return old is not None and new is not None and _peer(old) == _peer(new)


def _age(node: Node) -> tuple[datetime, str]:
    return node.metadata.creation_timestamp or _LONG_AGO, node.metadata.name


def _peer(node: Node) -> Peer | None:
    address = next((a.address for a in node.status.addresses if a.type == "InternalIP" and "." in a.address), "")
    cidr = next((c for c in (node.spec.pod_cidr, *node.spec.pod_cidrs) if "." in c), "")
    return Peer(node.metadata.name, address, cidr) if address and cidr else None


def _fault(peer: Peer, taken: Sequence[Peer], addresses: Sequence[str], own: Peer) -> str:
    try:
        network = ipaddress.IPv4Network(peer.cidr)
        address = ipaddress.IPv4Address(peer.address)
    except ValueError as error:
        return str(error)
    if peer.address == own.address:
        return f"its address {peer.address} is this node's own"
    if address.is_loopback or address.is_multicast or address.is_unspecified:
        return f"its address {peer.address} is no host's"
    if network.prefixlen < _WIDEST:
        return f"pod range {peer.cidr} is wider than a /{_WIDEST}"
    for other in taken:
        if network.overlaps(ipaddress.IPv4Network(other.cidr)):
            return f"pod range {peer.cidr} overlaps with {other.cidr} of node {other.name}"
    for host in addresses:
        if ipaddress.IPv4Address(host) in network:
            return f"pod range {peer.cidr} holds the address {host} of a node"
    return ""

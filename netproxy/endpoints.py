"""Which endpoints a service has, and which of them take new connections from whom. Pure.

Read from the service's EndpointSlices, from Endpoints where it has none. New connections go to ready endpoints; when
there is none, to those that end but still serve, as in kube-proxy. A policy Local leaves those on this node;
`trafficDistribution` prefers near ones and takes all when there are none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.core import Endpoints
from api.discovery import Endpoint as SliceEndpoint
from api.discovery import EndpointConditions, EndpointSlice
from netproxy.services import Endpoint, Protocol

PROTOCOLS = {"": Protocol.TCP, "TCP": Protocol.TCP, "UDP": Protocol.UDP}
ZONE_LABEL = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One address behind a port of a service."""

    endpoint: Endpoint
    node: str = ""
    zone: str = ""
    ready: bool = True
    draining: bool = False
    """It ends, and still answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where this proxy runs."""

    node: str = ""
    zone: str = ""
    pod_cidrs: tuple[str, ...] = ()


def from_slices(slices: Iterable[EndpointSlice], port_name: str, protocol: Protocol) -> tuple[Candidate, ...]:
    """The candidates of one service port, each address once, in a stable order."""
    found: dict[Endpoint, Candidate] = {}
    for part in slices:
        if part.address_type != "IPv4":
            continue
        for port in part.ports:
            if (port.name or "") == port_name and PROTOCOLS.get(port.protocol or "") is protocol and port.port:
                for one in part.endpoints:
                    for candidate in _of_slice(one, port.port):
                        found[candidate.endpoint] = _better(found.get(candidate.endpoint), candidate)
    return _in_order(found.values())


def _of_slice(one: SliceEndpoint, port: int) -> list[Candidate]:
    """Conditions that are not told count as good, and as not ending."""
    told = one.conditions or EndpointConditions()
    serving = told.serving if told.serving is not None else told.ready is not False
    return [
        Candidate(
            endpoint=(address, port),
            node=one.node_name or "",
            zone=one.zone or "",
            ready=told.ready is not False,
            draining=serving and told.terminating is True,
        )
        for address in one.addresses[:1]  # the others are the same endpoint
        if is_ipv4(address)
    ]


def _better(old: Candidate | None, new: Candidate) -> Candidate:
    """An endpoint may stand in two slices for a moment, while it moves: ready in one is ready."""
    return old if old is not None and (old.ready, old.draining) >= (new.ready, new.draining) else new


def from_endpoints(
    endpoints: Endpoints | None, port_name: str, protocol: Protocol, *, unready_too: bool
) -> tuple[Candidate, ...]:
    """The candidates of one service port; they know no terminating state and no zone."""
    found: dict[Endpoint, Candidate] = {}
    for subset in endpoints.subsets if endpoints is not None else ():
        addresses = subset.addresses + (subset.not_ready_addresses if unready_too else [])
        for port in subset.ports:
            if port.name == port_name and PROTOCOLS.get(port.protocol) is protocol:
                for address in filter(lambda a: is_ipv4(a.ip), addresses):
                    endpoint = (address.ip, port.port)
                    found[endpoint] = Candidate(endpoint=endpoint, node=address.node_name or "")
    return _in_order(found.values())


def everywhere(candidates: Sequence[Candidate], here: Here, distribution: str) -> tuple[Endpoint, ...]:
    """The endpoints of the policy Cluster."""
    ready = [one for one in candidates if one.ready]
    return _addresses(_preferred(ready, here, distribution) if ready else [one for one in candidates if one.draining])


def on_this_node(candidates: Sequence[Candidate], here: Here) -> tuple[Endpoint, ...]:
    """The endpoints of the policy Local."""
    local = [one for one in candidates if one.node == here.node and here.node]
    ready = [one for one in local if one.ready]
    return _addresses(ready or [one for one in local if one.draining])


def _preferred(ready: list[Candidate], here: Here, distribution: str) -> list[Candidate]:
    """`PreferSameNode`: this node's, else this zone's, else all. `PreferClose`, `PreferSameZone`: zone, else all."""
    same_node = [one for one in ready if one.node == here.node and here.node]
    same_zone = [one for one in ready if one.zone == here.zone and here.zone]
    if distribution == "PreferSameNode" and same_node:
        return same_node
    if distribution in ("PreferClose", "PreferSameZone", "PreferSameNode") and same_zone:
        return same_zone
    return ready


def is_ipv4(text: str) -> bool:
    """Whether this is an IPv4 address; "None" and "" are not."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _addresses(candidates: Iterable[Candidate]) -> tuple[Endpoint, ...]:
    return tuple(one.endpoint for one in candidates)


def _in_order(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    return tuple(sorted(candidates, key=lambda c: (ipaddress.IPv4Address(c.endpoint[0]), c.endpoint[1])))

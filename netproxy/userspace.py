"""The mode `userspace`: iptables redirects to a port of the data plane, which copies bytes to an endpoint and back."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping

from netproxy.config import Config
from netproxy.dataplane.counters import Counters
from netproxy.dataplane.guise import possible
from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.udp import UdpTimers
from netproxy.handover import Handover
from netproxy.modes import Done
from netproxy.portals.cluster import Split
from netproxy.portals.commands import PortalError
from netproxy.portals.iptables import Portals
from netproxy.portals.portal import portals
from netproxy.portals.rules import Layout, build
from netproxy.reserved import parse
from netproxy.services import Desired, PortName, Protocol, Wanted
from netproxy.state import State

log = logging.getLogger(__name__)


class Userspace:
    """A data plane and the rules that lead to it. `last`: what the start before this one used."""

    def __init__(self, config: Config, last: State, handover: Handover | None = None) -> None:
        self._config = config
        self._portals = portals_of(config)
        self._split: Split | None = None
        self._transparent = config.transparent and possible()
        self._handover = handover if handover is not None else Handover()
        node_ports = parse(config.node_port_range)  # not for us: the range may have been another one last time

        def kept(port: int) -> int:
            return 0 if port in node_ports else port

        self._plane = DataPlane(
            UdpTimers(unanswered_s=config.udp_unanswered_s, idle_s=config.udp_idle_s),
            preferred_ports={name: kept(port) for name, port in last.proxy_ports.items()},
            preferred_refuse_port=kept(last.refuse_port),
            preferred_cluster_port=kept(last.cluster_port),
            handover=self._handover,
        )

    @property
    def alive(self) -> bool:
        """Whether the data plane's thread runs."""
        return self._plane.alive

    @property
    def faults(self) -> int:
        """Unexpected errors contained by the data plane."""
        return self._plane.faults

    @property
    def accept_pauses(self) -> int:
        """How often descriptors ran out."""
        return self._plane.accept_pauses

    def start(self) -> None:
        """Start the data plane."""
        self._plane.start()

    def stop(self) -> None:
        """Close all sockets."""
        self._plane.stop()

    def apply(self, desired: Desired, touched: Iterable[PortName] | None = None) -> Done:
        """Sockets first, then the rules that lead to them."""
        if self._split is None:
            for removed in self._portals.remove_from_other_flavour():
                log.info("removed what the other iptables had %s", removed)
            self._split = Split(self._config.cluster_cidr, self._plane.cluster_port, self._portals.sets_work())
            touched = None
        split, refuse_port = self._split, self._plane.refuse_port
        led_back = self._show_clients(desired.pod_cidrs)
        served = self._plane.apply(desired.ports, touched)
        if touched is None:
            split.forget()
        split.update(desired.ports, desired.ports if touched is None else touched, served.proxy_ports)
        wrote = split.use_set and self._portals.grow_set(split.owners.keys())
        layout = Layout(
            prefix=self._config.chain_prefix,
            cluster_cidr=self._config.cluster_cidr,
            refuse_port=refuse_port,
            pod_cidrs=desired.pod_cidrs,
            cluster_set=self._portals.set.name if split.use_set else "",
            cluster_port=self._plane.cluster_port,
            guarded=_by_protocol(split.rest, served.proxy_ports, self._plane.cluster_port),
        )
        shown = portals(split.rest, served.proxy_ports, served.held_node_ports, refuse_port)
        wrote = self._portals.apply(build(shown, layout)) or wrote
        if split.use_set:
            wrote = self._portals.shrink_set(split.owners.keys()) or wrote
        return Done(
            wrote_rules=wrote or led_back,
            clashes=served.clashes,
            proxy_ports=served.proxy_ports,
            refuse_port=refuse_port,
            cluster_port=self._plane.cluster_port,
        )

    def _show_clients(self, pod_cidrs: tuple[str, ...]) -> bool:
        """Have this node's pods see their clients, or the node without such rules; True when rules were written."""
        try:
            wrote = self._portals.returns.lead(pod_cidrs if self._transparent else ())
        except PortalError as error:
            if not self._transparent:
                raise
            log.warning("pods see the node instead of their clients error=%s", error)
            self._transparent = False
            wrote = self._portals.returns.lead(())
        self._plane.show(pod_cidrs if self._transparent else ())
        return wrote

    def settle(self) -> None:
        """Close the ports of an earlier start that nothing wants."""
        self._handover.settle()

    def check(self) -> bool:
        """Look after the rules."""
        return self._portals.check()

    def check_untold(self) -> bool:
        """Look after the set of addresses."""
        return self._portals.check_set()

    def chains(self) -> frozenset[str]:
        """Our chains of iptables, and those that lead into them."""
        return self._portals.chains()

    def counters(self) -> Mapping[PortName, Counters]:
        """The data plane's."""
        return self._plane.counters()


def portals_of(config: Config) -> Portals:
    """The iptables portals of this configuration."""
    return Portals(prefix=config.chain_prefix, cluster_cidr=config.cluster_cidr, iptables_mode=config.iptables_mode)


def _by_protocol(
    ports: Wanted, proxy_ports: Mapping[PortName, int], cluster_port: int
) -> dict[Protocol, tuple[int, ...]]:
    found: dict[Protocol, set[int]] = defaultdict(set, {Protocol.TCP: {cluster_port}})
    for name, port in ports.items():
        found[port.protocol].add(proxy_ports[name])
    return {protocol: tuple(sorted(found[protocol])) for protocol in Protocol if protocol in found}

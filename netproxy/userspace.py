"""The mode `userspace`: iptables redirects to a port of the data plane, which copies bytes to an endpoint and back."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

from netproxy.config import Config
from netproxy.dataplane.counters import Counters
from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.served import needs_own_port
from netproxy.dataplane.udp import UdpTimers
from netproxy.modes import Done
from netproxy.portals.iptables import Portals
from netproxy.portals.portal import portals
from netproxy.portals.rules import Layout, build
from netproxy.services import Desired, PortName, Protocol, Wanted
from netproxy.state import State

log = logging.getLogger(__name__)


class Userspace:
    """A data plane and the rules that lead to it. `last`: what the start before this one used."""

    def __init__(self, config: Config, last: State) -> None:
        self._config = config
        self._portals = portals_of(config)
        self._started = False
        self._plane = DataPlane(
            UdpTimers(unanswered_s=config.udp_unanswered_s, idle_s=config.udp_idle_s),
            preferred_ports=last.proxy_ports,
            preferred_refuse_port=last.refuse_port,
            preferred_cluster_port=_shared_port(last),
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

    def apply(self, desired: Desired) -> Done:
        """Sockets first, then the rules that lead to them."""
        if not self._started:
            for removed in self._portals.remove_from_other_flavour():
                log.info("removed what the other iptables had %s", removed)
            self._started = True
        served, refuse_port = self._plane.apply(desired.ports), self._plane.refuse_port
        layout = Layout(
            prefix=self._config.chain_prefix,
            cluster_cidr=self._config.cluster_cidr,
            refuse_port=refuse_port,
            pod_cidrs=desired.pod_cidrs,
            guarded=_by_protocol(desired.ports, served.proxy_ports),
        )
        shown = portals(desired.ports, served.proxy_ports, served.held_node_ports, refuse_port)
        return Done(
            wrote_rules=self._portals.apply(build(shown, layout)),
            clashes=served.clashes,
            proxy_ports=dict(served.proxy_ports),
            refuse_port=refuse_port,
        )

    def check(self) -> bool:
        """Look after the rules."""
        return self._portals.check()

    def counters(self) -> Mapping[PortName, Counters]:
        """The data plane's."""
        return self._plane.counters()


def portals_of(config: Config) -> Portals:
    """The iptables portals of this configuration."""
    return Portals(prefix=config.chain_prefix, cluster_cidr=config.cluster_cidr, iptables_mode=config.iptables_mode)


def _shared_port(last: State) -> int:
    """The port that all cluster addresses led to; 0 when none did."""
    near = {service.near for service, _port in last.services}
    shared = (port for service, port in last.services if not needs_own_port(service) and service.name not in near)
    return next(shared, 0)


def _by_protocol(ports: Wanted, proxy_ports: Mapping[PortName, int]) -> dict[Protocol, tuple[int, ...]]:
    found: dict[Protocol, list[int]] = defaultdict(list)
    for name, number in proxy_ports.items():
        found[ports[name].protocol].append(number)
    return {protocol: tuple(sorted(found[protocol])) for protocol in Protocol if protocol in found}

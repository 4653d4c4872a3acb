"""The mode itself: the table, the node ports, the route for the service range, and stale UDP flows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from netproxy.config import Config
from netproxy.dataplane.counters import Counters
from netproxy.handover import Handover
from netproxy.kernel.flows import forget
from netproxy.kernel.holder import Holder
from netproxy.kernel.nft import NftTable
from netproxy.kernel.script import Found, expected, script
from netproxy.kernel.table import Table, build
from netproxy.modes import Done
from netproxy.portals.routes import ServiceRoute
from netproxy.services import Desired, Endpoint, PortName, Protocol, Wanted

log = logging.getLogger(__name__)


class Kernel:
    """Service ports in the kernel's hands. For one control thread."""

    alive = True
    faults = 0
    accept_pauses = 0

    def __init__(self, config: Config, handover: Handover | None = None) -> None:
        self._cidr = config.cluster_cidr
        self._nft = NftTable(config.chain_prefix)
        self._route = ServiceRoute(config.cluster_cidr)
        self._handover = handover if handover is not None else Handover()
        self._holder = Holder(self._handover)
        self._wanted: Table | None = None
        self._known: Found | None = None
        """What the kernel has; None: not known, it is read before the next write."""
        self._udp: frozenset[Endpoint] = frozenset()

    def start(self) -> None:
        """Nothing runs beside the control thread."""

    def stop(self) -> None:
        """Let the node ports go; the kernel goes on."""
        self._holder.close()

    def apply(self, desired: Desired, touched: Iterable[PortName] | None = None) -> Done:  # noqa: ARG002
        """Hold the node ports, and change in the table what changed: it is compared whole, whatever was touched."""
        held, clashes = self._holder.hold(desired.ports)
        self._wanted = build(desired, held, self._cidr)
        self._route.ensure()
        wrote = self._write(self._wanted)
        self._forget_flows(_udp_endpoints(desired.ports))
        return Done(wrote_rules=wrote, clashes=clashes)

    def settle(self) -> None:
        """Let go of node ports that an earlier start held for services that are gone."""
        self._handover.settle()

    def check(self) -> bool:
        """Read the table and put right what somebody changed."""
        if self._wanted is None:
            return False
        repaired = self._route.ensure()
        self._known = self._nft.read()
        if self._known != expected(self._wanted):
            log.warning("table was changed by another, writing it again table=%s", self._nft.name)
            repaired = self._write(self._wanted) or repaired
        return repaired

    def check_untold(self) -> bool:
        """The kernel tells of all of it."""
        return False

    def chains(self) -> frozenset[str]:
        """Those that lead to the services, not those of each."""
        return frozenset(build(Desired(ports={}), {}, self._cidr).chains)

    def counters(self) -> Mapping[PortName, Counters]:
        """The kernel does not count by service."""
        return {}

    def _write(self, wanted: Table) -> bool:
        found = self._known if self._known is not None else self._nft.read()
        self._known = None
        text = script(self._nft.name, found, wanted)
        if text:
            self._nft.write(text)
            log.info("table written table=%s lines=%d", self._nft.name, text.count("\n"))
        self._known = expected(wanted)
        return bool(text)

    def _forget_flows(self, udp: frozenset[Endpoint]) -> None:
        """A UDP client that goes on sending would stay with an endpoint that is gone for ever."""
        gone, self._udp = self._udp - udp, udp
        if gone:
            forget(gone)


def _udp_endpoints(ports: Wanted) -> frozenset[Endpoint]:
    return frozenset(e for port in ports.values() if port.protocol is Protocol.UDP for e in port.endpoints)

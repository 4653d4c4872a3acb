"""The control side: brings data plane and portals to a wanted state, and keeps them there.

Each pass is level-triggered and idempotent: sockets first, then the rules that lead to them, then the state file. A
pass that fails leaves what works and is repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from netproxy.config import Config
from netproxy.dataplane.plane import Applied, Clash, DataPlane
from netproxy.dataplane.udp import UdpTimers
from netproxy.portals.iptables import Portals
from netproxy.portals.rules import build, portals
from netproxy.services import Wanted, difference
from netproxy.state import State, StateFile

log = logging.getLogger(__name__)


class Proxy:
    """One proxy on this node. For one control thread; the data plane has its own."""

    def __init__(self, config: Config, *, on_clash: Callable[[Clash], None]) -> None:
        self._config = config
        self._on_clash = on_clash
        self._file = StateFile(config.state_file)
        self._last = self._file.read()
        self._portals = Portals(prefix=config.chain_prefix, cluster_cidr=config.cluster_cidr)
        self._wanted: Wanted = {}
        self._clashes: frozenset[Clash] = frozenset()
        self.plane = DataPlane(
            UdpTimers(unanswered_s=config.udp_unanswered_s, idle_s=config.udp_idle_s),
            preferred_ports=self._last.proxy_ports,
            preferred_refuse_port=self._last.refuse_port,
        )

    @property
    def has_clashes(self) -> bool:
        """Whether a node port is held by somebody else: worth another pass."""
        return bool(self._clashes)

    @property
    def last_known(self) -> Wanted:
        """What the proxy before this one served."""
        return self._last.wanted

    def start(self) -> None:
        """Start the data plane."""
        self.plane.start()

    def sync(self, wanted: Wanted) -> str:
        """Make this so and say what was done, "" when it was so. Raises PortalError, DataPlaneError, OSError."""
        begin = time.monotonic()
        changes = difference(self._wanted, wanted)
        applied = self.plane.apply(wanted)
        self._wanted = wanted
        self._report(applied)
        rules = portals(wanted, applied.proxy_ports, applied.held_node_ports, self.plane.refuse_port)
        written = self._portals.apply(
            build(
                rules,
                prefix=self._config.chain_prefix,
                cluster_cidr=self._config.cluster_cidr,
                refuse_port=self.plane.refuse_port,
            )
        )
        self._file.write(State.of(wanted, dict(applied.proxy_ports), self.plane.refuse_port))
        if not changes and not written:
            return ""
        took_ms = (time.monotonic() - begin) * 1000
        return f"synced services={len(wanted)} {changes} rules_written={written} took_ms={took_ms:.1f}"

    def check(self) -> bool:
        """Put back rules that somebody changed; True when there were some. Raises PortalError."""
        return self._portals.check()

    def stop(self) -> None:
        """Stop serving. Rules, route and state stay for the next start."""
        self.plane.stop()

    def _report(self, applied: Applied) -> None:
        """Tell of each clash once, and again when it came back after it was solved."""
        clashes = frozenset(applied.clashes)
        for clash in sorted(clashes - self._clashes, key=lambda c: c.name):
            log.warning("node port taken service=%s node_port=%d reason=%s", clash.name, clash.node_port, clash.reason)
            self._on_clash(clash)
        for clash in self._clashes - clashes:
            log.info("node port no longer clashes service=%s node_port=%d", clash.name, clash.node_port)
        self._clashes = clashes

"""The control side: brings this node to a wanted state, and keeps it there.

Each pass is level-triggered and idempotent: what serves first, then health check ports. The state file follows, for
few services at once and for many a moment later. A pass that fails leaves what works and is repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from netproxy.config import Config
from netproxy.healthchecks import HealthChecks
from netproxy.modes import USERSPACE, Done, Mode
from netproxy.reserved import ReservedPorts
from netproxy.services import Desired, Wanted, difference
from netproxy.state import State, StateFile

log = logging.getLogger(__name__)

_PORT_TAKEN, _CHECK_FAILED, _NO_HEADER = "NodePortTaken", "FailedToStartServiceHealthcheck", "ProxyProtocolNotServed"


@dataclass(frozen=True, slots=True, order=True)
class Trouble:
    """What of a service cannot be had on this node: an event about it, told once while it lasts."""

    namespace: str
    service: str
    reason: str
    message: str


class Proxy:
    """One proxy on this node. For one control thread."""

    def __init__(
        self,
        config: Config,
        mode: Mode,
        last: State,
        *,
        on_trouble: Callable[[Trouble], None],
        healthy: Callable[[], bool],
    ) -> None:
        self._config = config
        self._mode = mode
        self._on_trouble = on_trouble
        self._file = StateFile(config.state_file, last)
        self._checks = HealthChecks(healthy=healthy)
        self._reserved = reserved_ports(config)
        self._wanted: Wanted = {}
        self._unsaved: tuple[Desired, Done] | None = None
        self._known = False
        """Whether the mode serves `_wanted`: the last pass went well."""
        self._troubles: frozenset[Trouble] = frozenset()

    @property
    def has_troubles(self) -> bool:
        """Whether a port is held by somebody else: worth another pass."""
        return any(trouble.reason in (_PORT_TAKEN, _CHECK_FAILED) for trouble in self._troubles)

    def start(self) -> None:
        """Reserve the node ports and start the mode. Raises OSError."""
        self._reserve()
        self._mode.start()

    def sync(self, desired: Desired) -> str:
        """Make this so and say what was done, "" when it was so. Raises PortalError, DataPlaneError, OSError."""
        begin = time.monotonic()
        changes = difference(self._wanted, desired.ports)
        touched, self._known = changes.names if self._known else None, False
        done = self._mode.apply(desired, touched)
        self._wanted, self._known = desired.ports, True
        left_out = {Trouble(one.namespace, one.service, one.reason, one.message) for one in desired.left_out}
        self._report(self._node_ports(done) | self._health_checks(desired) | left_out | self._headers(desired))
        self._unsaved = (desired, done)
        if not changes and not done.wrote_rules:
            return ""
        took_ms = (time.monotonic() - begin) * 1000
        return f"synced services={len(desired.ports)} {changes} rules_written={done.wrote_rules} took_ms={took_ms:.1f}"

    @property
    def unsaved(self) -> bool:
        """Whether `save` has something to write."""
        return self._unsaved is not None

    def save(self) -> None:
        """Write the state file: what the last good pass served. It is whole each time, so not a part of every pass.

        Killed before it, the next start begins with services a moment older. Raises OSError.
        """
        if self._unsaved is not None:
            desired, done = self._unsaved
            ports = {"refuse_port": done.refuse_port, "cluster_port": done.cluster_port}
            self._file.write(State.of(desired, done.proxy_ports, **ports))
            self._unsaved = None

    def check(self) -> bool:
        """Put back what somebody changed; True when there was something. Raises PortalError, OSError."""
        self._reserve()
        return self._mode.check()

    def check_untold(self) -> bool:
        """The same for that alone of which the kernel tells nothing. Raises PortalError."""
        self._reserve()
        return self._mode.check_untold()

    def chains(self) -> frozenset[str]:
        """Chains in which the kernel tells of deletions that would be put back. Raises PortalError."""
        return self._mode.chains()

    def stop(self) -> None:
        """Stop serving. Rules, route and state stay for the next start."""
        self._checks.stop()
        self._mode.stop()

    def _reserve(self) -> None:
        try:
            self._reserved.reserve(self._config.node_port_range)
        except OSError as error:
            # A container may not write it. Node ports work without; a client of this host may get one first.
            log.warning("node ports not reserved error=%s", error)

    def _node_ports(self, done: Done) -> set[Trouble]:
        host = self._config.host
        return {
            Trouble(
                clash.name.namespace,
                clash.name.service,
                _PORT_TAKEN,
                f"node port {clash.node_port} cannot be held on {host}: {clash.reason}; trying again",
            )
            for clash in done.clashes
        }

    def _headers(self, desired: Desired) -> set[Trouble]:
        """Services that ask for a header which the kernel cannot write."""
        if self._config.proxy_mode == USERSPACE:
            return set()
        why = f"node {self._config.host} tells endpoints nothing of their clients: proxy mode {self._config.proxy_mode}"
        asking = (port.name for port in desired.ports.values() if port.proxy_protocol)
        return {Trouble(name.namespace, name.service, _NO_HEADER, why) for name in asking}

    def _health_checks(self, desired: Desired) -> set[Trouble]:
        return {
            Trouble(
                check.namespace,
                check.service,
                _CHECK_FAILED,
                f"node {self._config.host} failed to start healthcheck on port {check.port}: {why}; trying again",
            )
            for check, why in self._checks.apply(desired.health_checks)
        }

    def _report(self, troubles: set[Trouble]) -> None:
        """Tell of each trouble once, and again when it came back after it was solved."""
        for trouble in sorted(troubles - self._troubles):
            log.warning(
                "trouble service=%s/%s reason=%s %s",
                trouble.namespace,
                trouble.service,
                trouble.reason,
                trouble.message,
            )
            self._on_trouble(trouble)
        for trouble in sorted(self._troubles - troubles):
            log.info("solved service=%s/%s %s", trouble.namespace, trouble.service, trouble.message)
        self._troubles = frozenset(troubles)


def reserved_ports(config: Config) -> ReservedPorts:
    """The reserved ports of this configuration; their note lies beside the state."""
    return ReservedPorts(config.state_file.with_name(config.state_file.name + ".reserved"))

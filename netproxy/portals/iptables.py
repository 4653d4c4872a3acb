"""Portals written with iptables-restore: one transaction, own chains, only when something changed.

The rules outlive this program on purpose: a restart on the same ports finds them valid. `cleanup` takes out what
is ours and nothing else.
"""

from __future__ import annotations

import logging

from netproxy.portals.commands import LOCK_WAIT_S, run
from netproxy.portals.routes import ServiceRoute
from netproxy.portals.rules import Found, Ruleset, find, removal_text, restore_text

log = logging.getLogger(__name__)


class Portals:
    """The rules of one proxy on this node. For one thread."""

    def __init__(self, *, prefix: str, cluster_cidr: str) -> None:
        self._prefix = prefix
        self._route = ServiceRoute(cluster_cidr)
        self._wanted: Ruleset | None = None
        self._written: Found | None = None

    def apply(self, ruleset: Ruleset) -> bool:
        """Make the kernel's rules these; False when they were so already. Raises PortalError; call again then."""
        if ruleset == self._wanted and self._written is not None:
            return False
        self._wanted, known = ruleset, self._written
        self._written = None
        self._write(ruleset, known if known is not None else self._read())
        return True

    def check(self) -> bool:
        """Put back what somebody else changed or took away since; True when there was something."""
        if self._wanted is None:
            return False
        repaired = self._route.ensure()
        found = self._read()
        if found != self._written:
            log.warning("rules were changed by another, writing them again prefix=%s", self._prefix)
            self._written = None
            self._write(self._wanted, found)
            repaired = True
        return repaired

    def cleanup(self) -> list[str]:
        """Remove all rules, chains and the route of this prefix; returns what was removed."""
        found = self._read()
        self._wanted = self._written = None
        removed = [f"chain {chain}" for chain in found.chains]
        if found.chains:
            run(*_RESTORE, text=removal_text(self._prefix, found.jumps, found.chains))
        if self._route.remove():
            removed.append(f"route {self._route.cidr}")
        return removed

    def _write(self, ruleset: Ruleset, before: Found) -> None:
        self._route.ensure()
        missing = [jump for jump in ruleset.jumps if not before.has_jump(*jump)]
        run(*_RESTORE, text=restore_text(ruleset, missing))
        after = self._read()
        complete = len(after.rules) == len(ruleset.rules) and all(after.has_jump(*jump) for jump in ruleset.jumps)
        # Not complete: somebody was at it in between; the next check writes again.
        self._written = after if complete else None
        log.info("rules written prefix=%s rules=%d", self._prefix, len(ruleset.rules))

    def _read(self) -> Found:
        return find(run("iptables-save", "-t", "nat"), self._prefix)


_RESTORE = ("iptables-restore", "--noflush", "-w", str(LOCK_WAIT_S))

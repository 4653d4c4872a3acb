"""Portals written with iptables: one transaction, own chains, only when something changed, and then only that.

The rules outlive this program on purpose: a restart on the same ports finds them valid. `cleanup` takes out what
is ours and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Set

from netproxy.portals.commands import PortalError
from netproxy.portals.edits import Found, changes_text, expected, find, removal_text, whole_text
from netproxy.portals.returns import ReturnPath
from netproxy.portals.routes import ServiceRoute
from netproxy.portals.rules import Ruleset, chains_of
from netproxy.portals.sets import AddressSet, Member
from netproxy.portals.tables import LEGACY, NatTable, flavour, nat_table, others_may_hold_rules

log = logging.getLogger(__name__)

_NONE: frozenset[Member] = frozenset()


class Portals:
    """The rules of one proxy on this node. For one thread. `iptables_mode`: one of tables.MODES."""

    def __init__(self, *, prefix: str, cluster_cidr: str, iptables_mode: str = "auto") -> None:
        self._prefix = prefix
        self._mode = iptables_mode
        self._route = ServiceRoute(cluster_cidr)
        self._wanted: Ruleset | None = None
        self._written: Found | None = None
        self._made: NatTable | None = None
        self.returns = ReturnPath(prefix, iptables_mode)
        self.set = cluster_set_of(prefix)
        self._members: set[Member] | None = None
        """What is in the set; None: not known."""

    def apply(self, ruleset: Ruleset) -> bool:
        """Make the kernel's rules these; False when they were so already. Raises PortalError; call again then."""
        before, known = self._wanted, self._written
        if ruleset == before and known is not None:
            return False
        self._wanted, self._written = ruleset, None
        # Known and in our own words: then the kernel need not be asked what it has, nor afterwards what it made of it.
        edit = changes_text(before, ruleset) if before is not None and known == expected(before) else None
        if edit is None:
            self._write(ruleset, known if known is not None else self._read())
        else:
            self._table.restore(edit)
            self._written = expected(ruleset)
            log.info(
                "rules changed prefix=%s rules=%d lines=%d", self._prefix, len(ruleset.rules), edit.count("\n") - 2
            )
        return True

    def check(self) -> bool:
        """Put back what somebody else changed or took away since; True when there was something."""
        if self._wanted is None:
            return False
        repaired = self._route.ensure()
        repaired = self.returns.check() or repaired
        repaired = self.check_set() or repaired
        found = self._read()
        if found != self._written:
            log.warning("rules were changed by another, writing them again prefix=%s", self._prefix)
            self._written = None
            self._write(self._wanted, found)
            repaired = True
        return repaired

    def check_set(self) -> bool:
        """The same for the set alone: the kernel tells of no change to it."""
        wanted = self._members
        if wanted is None:
            return False
        self.set.create()
        self._members = None
        changed = self.grow_set(wanted)
        changed = self.shrink_set(wanted) or changed
        if changed:
            log.warning("the set was changed by another, written again set=%s", self.set.name)
        return changed

    def chains(self) -> frozenset[str]:
        """Our chains and those that lead into them; none with legacy iptables. Raises PortalError."""
        if flavour(self._mode) == LEGACY:
            return frozenset()
        return frozenset({"PREROUTING", "OUTPUT", *chains_of(self._prefix), self.returns.chain})

    def cleanup(self) -> list[str]:
        """Remove all rules and chains of this prefix, and the route; returns what was removed."""
        removed = self.remove_rules()
        if self._route.remove():
            removed.append(f"route {self._route.cidr}")
        return removed

    def sets_work(self) -> bool:
        """Whether rules can name our set here; if so it is there afterwards. Raises PortalError."""
        if not self.set.usable():
            return False
        probe = f"{self._prefix}-PROBE"
        rule = f"-A {probe} -p tcp -m set --match-set {self.set.name} dst,dst -j RETURN"
        try:
            self._table.restore(f"*nat\n:{probe} - [0:0]\n{rule}\nCOMMIT\n")
        except PortalError as error:
            log.info("rules cannot name sets here, one rule a service instead error=%s", error)
            return False
        self._table.restore(f"*nat\n:{probe} - [0:0]\n-X {probe}\nCOMMIT\n")
        return True

    def grow_set(self, members: Set[Member]) -> bool:
        """Put what is missing into our set: before rules that others of its addresses no longer have go."""
        known = self._members if self._members is not None else self.set.members()
        missing = members - known
        return self._change_set(known | missing, add=missing)

    def shrink_set(self, members: Set[Member]) -> bool:
        """Take what is not among these out of our set, after rules for it came."""
        known = self._members if self._members is not None else self.set.members()
        surplus = known - members
        return self._change_set(known - surplus, remove=surplus)

    def remove_rules(self) -> list[str]:
        """Remove all rules and chains of this prefix, from both flavours, and the set; returns what was removed."""
        self._wanted = self._written = None
        removed = self._remove_from(self._table) + self.remove_from_other_flavour()
        removed += self.returns.remove()
        return removed + ([f"set {self.set.name}"] if self.set.destroy() else [])

    def remove_from_other_flavour(self) -> list[str]:
        """Remove what an earlier start wrote with the iptables that is not used now."""
        other = others_may_hold_rules(self._mode)
        return self._remove_from(nat_table(other)) if other else []

    @property
    def _table(self) -> NatTable:
        """Chosen at the first use: probing runs a command."""
        if self._made is None:
            self._made = nat_table(self._mode)
        return self._made

    def _change_set(self, after: set[Member], *, add: Set[Member] = _NONE, remove: Set[Member] = _NONE) -> bool:
        self._members = None  # not known, should this fail
        if add or remove:
            self.set.change(add=add, remove=remove)
        self._members = after
        return bool(add or remove)

    def _remove_from(self, table: NatTable) -> list[str]:
        found = find(table.save(), self._prefix)
        if found.chains:
            table.restore(removal_text(self._prefix, found))
        return [f"chain {chain}" for chain in sorted(found.chains)]

    def _write(self, ruleset: Ruleset, before: Found) -> None:
        self._route.ensure()
        missing = [jump for jump in ruleset.jumps if not before.has_jump(*jump)]
        self._table.restore(whole_text(ruleset, missing))
        after = self._read()
        # Not whole: somebody was at it in between; the next check writes again.
        self._written = after if after.is_whole(ruleset) else None
        log.info("rules written prefix=%s rules=%d", self._prefix, len(ruleset.rules))

    def _read(self) -> Found:
        return find(self._table.save(), self._prefix)


def cluster_set_of(prefix: str) -> AddressSet:
    """The set of cluster addresses of a proxy with this prefix."""
    return AddressSet(f"{prefix}-CLUSTER")

"""Which addresses this node answers for: decided from plain values.

Two kinds of leases tell it. An address has a lease whose holder is the node that answers for it; it is written when
that changes. A node that answers for any has one that it renews every BEAT_S: its heartbeat. A node takes what nobody
holds, and what is held by one whose heart has not beaten for LEASE_S.

A node that cannot renew cannot know whether another has taken over. It asks the network: where nobody else answers, the
master is away for all, and it keeps the address; where another does, it gives way. Should it hang or be killed, the
kernel takes the address away after FENCE_S, which is before another takes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BEAT_S = 1.0
FENCE_S = 3.0
LEASE_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known at one moment. All times are by one clock of this host's own."""

    me: str
    now: float
    renewed_at: float
    """When the last heartbeat that succeeded was begun."""
    wanted: frozenset[str]
    """Addresses that this node may answer for."""
    present: frozenset[str]
    """Addresses of ours that this host has."""
    holders: Mapping[str, str]
    """Address to the node that holds its lease."""
    beats: Mapping[str, float]
    """Node to when its heartbeat was last seen to change."""
    elsewhere: frozenset[str] = frozenset()
    """Addresses for which another host answered, since this node became unsure."""

    @property
    def sure(self) -> bool:
        """Whether nobody else can have taken over yet."""
        return self.now - self.renewed_at < FENCE_S


@dataclass(frozen=True, slots=True)
class Plan:
    """What this node is to do. What it has and does not hold goes."""

    hold: frozenset[str]
    claim: frozenset[str]
    give_back: frozenset[str]

    @property
    def beats(self) -> bool:
        """Whether a heartbeat is needed."""
        return bool(self.hold or self.claim)


def decide(seen: Seen) -> Plan:
    """The plan for this moment."""
    hold, claim = set(), set()
    for address in seen.wanted:
        holder = seen.holders.get(address, "")
        if holder == seen.me:
            if seen.sure or address not in seen.elsewhere:
                hold.add(address)
        elif holder:
            if seen.now - seen.beats.get(holder, seen.now) >= LEASE_S:
                claim.add(address)
        else:
            claim.add(address)
            # A start while the master is away: what the last run had goes on.
            if address in seen.present and not seen.sure and address not in seen.elsewhere:
                hold.add(address)
    given = {address for address, holder in seen.holders.items() if holder == seen.me} - seen.wanted
    return Plan(frozenset(hold), frozenset(claim), frozenset(given))


def next_look_s(seen: Seen, plan: Plan) -> float | None:
    """Seconds until time alone may change the plan; None: only news can."""
    if plan.beats:
        return BEAT_S
    others = [seen.beats.get(seen.holders[address], seen.now) for address in seen.wanted if address in seen.holders]
    return max(min(others) + LEASE_S - seen.now, 0.05) if others else None

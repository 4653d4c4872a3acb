"""What one node alone comes to for a pod: a refusal, or a score.

What the node itself says (labels, taints, conditions) is found out once for all pods that ask the same of nodes, and
holds until the node is written again. So a look at a node costs little more than the look at its room.
"""

from collections import OrderedDict
from typing import NamedTuple

from master.scheduler.cluster import Cluster
from master.scheduler.filters import Refusal
from master.scheduler.nodestate import NodeState
from master.scheduler.profile import Profile
from master.scheduler.wish import Wish

Verdict = tuple[Refusal | None, float]
# Kinds of demands on nodes that are remembered; each holds some 200 bytes a node.
_KEPT = 16


class _Known(NamedTuple):
    """What one version of a node by itself comes to."""

    version: int
    refusal: Refusal | None
    score: float


class Look:
    """For pods of one shape, with volumes that come to the same."""

    def __init__(self, wish: Wish, profile: Profile, known: dict[str, _Known]) -> None:
        self._profile = profile
        self._known = known
        checks, self._rates = profile.of_room(wish)
        self._checks = [(one.check, one.name) for one in checks]

    def at(self, wish: Wish, state: NodeState) -> Verdict:
        """By all that reads the node alone."""
        known = self._known.get(state.name)
        if known is None or known[0] != state.node_version:
            known = self._known[state.name] = _Known(state.node_version, *self._profile.of_node(wish, state))
        _, refusal, score = known
        if refusal is not None:
            return known[1:]
        for check, name in self._checks:
            refusal = check(wish, state)
            if refusal is not None:
                return Refusal(refusal.reasons, refusal.curable, name), 0.0
        for rate, weight in self._rates:
            score += weight * rate(wish, state)
        return None, score


class Looks:
    """Remembers what nodes by themselves come to."""

    def __init__(self, cluster: Cluster, profile: Profile) -> None:
        self._cluster = cluster
        self._profile = profile
        self._known: OrderedDict[tuple[str, str], dict[str, _Known]] = OrderedDict()

    def of(self, wish: Wish) -> Look:
        """To look at nodes for pods like this one."""
        key = (wish.shape.node_terms, wish.node_name)
        known = self._known.setdefault(key, {})
        self._known.move_to_end(key)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        if len(known) > 2 * len(self._cluster.nodes):
            # Most of them are of nodes that are gone.
            known.clear()
        return Look(wish, self._profile, known)

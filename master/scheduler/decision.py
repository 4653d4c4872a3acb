"""Chooses a node for a pod on the picture of the cluster. Reads the picture, does not change it."""

import random
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from master.scheduler.change import NOTHING, Change
from master.scheduler.cluster import Cluster, NodeState
from master.scheduler.filters import Refusal
from master.scheduler.looking import view_of
from master.scheduler.nominations import refusal_beside_nominated
from master.scheduler.profile import Profile
from master.scheduler.roster import Roster
from master.scheduler.scores import normalised, zone_spread
from master.scheduler.views import NOTHING_NEAR
from master.scheduler.wish import Wish

NO_NODES = "no nodes available to schedule pods"
# Shapes of pods whose rosters are kept; each holds some 300 bytes a node.
_KEPT = 32


@dataclass(frozen=True, slots=True)
class Choice:
    """The node; or a sentence about why there is none, what is against each node, and what may help."""

    node: str = ""
    reason: str = ""
    refusals: Counter[Refusal] = field(default_factory=Counter)
    helped_by: Change = NOTHING


class Chooser:
    """Makes one decision after the other, and remembers between them what still holds."""

    def __init__(self, cluster: Cluster, profile: Profile) -> None:
        self._cluster = cluster
        self._profile = profile
        self._rosters: OrderedDict[tuple[object, bytes], Roster] = OrderedDict()
        self._start = 0

    def choose(self, wish: Wish) -> Choice:
        """The best node that passes every filter."""
        cluster = self._cluster
        if not cluster.nodes:
            return Choice(reason=NO_NODES, helped_by=Change.NODE)
        if wish.volumes.problem:
            refusals = Counter({Refusal((wish.volumes.problem,)): len(cluster.nodes)})
            reason = f"{_none_of(len(cluster.nodes))} {wish.volumes.problem}."
            return Choice(reason=reason, refusals=refusals, helped_by=Change.VOLUME)
        wish.view = view_of(wish, cluster)
        wanted = cluster.nodes.get(cluster.nominated_to(wish.uid))
        if wanted is not None and refusal_beside_nominated(wish, wanted, cluster, self._profile) is None:
            return Choice(node=wanted.name)
        if wish.view is NOTHING_NEAR:
            node = self.roster(wish).best(wish)
            return Choice(node=node) if node else self._refused(self.roster(wish).refusals())
        fitting, refusals = self._fitting(wish)
        return Choice(node=self._best_of(wish, fitting)) if fitting else self._refused(refusals)

    def roster(self, wish: Wish) -> Roster:
        """What is known for pods like this one."""
        key = (wish.shape, wish.volumes.key)
        roster = self._rosters.get(key)
        if roster is None:
            roster = self._rosters[key] = Roster(wish, self._cluster, self._profile)
            if len(self._rosters) > _KEPT:
                self._rosters.popitem(last=False)
        self._rosters.move_to_end(key)
        return roster

    def refusal(self, wish: Wish, state: NodeState) -> Refusal | None:
        """Why a node does not fit."""
        return self.roster(wish).narrow(wish, state)[0] or self._profile.wide_refusal(wish, state)

    def _fitting(self, wish: Wish) -> tuple[list[NodeState], Counter[Refusal]]:
        """Enough nodes that fit, beginning where the last look ended; and what is against those that do not."""
        cluster, profile, roster = self._cluster, self._profile, self.roster(wish)
        names = cluster.names
        sample = profile.sample(len(names))
        found: list[NodeState] = []
        refusals: Counter[Refusal] = Counter()
        start = self._start % len(names)
        for name in _round(names, start):
            state = cluster.nodes[name]
            self._start += 1
            refusal = roster.narrow(wish, state)[0] or profile.wide_refusal(wish, state)
            if refusal is None and state.nominated:
                refusal = refusal_beside_nominated(wish, state, cluster, profile)
            if refusal is not None:
                refusals[refusal] += 1
                continue
            found.append(state)
            if len(found) >= sample:
                break
        return found, refusals

    def _best_of(self, wish: Wish, fitting: list[NodeState]) -> str:
        roster = self.roster(wish)
        totals = [roster.narrow(wish, state)[1] for state in fitting]
        for score, weight in self._profile.wide_scores:
            rated = [score.rate(wish, state) for state in fitting]
            for at, value in enumerate(normalised(rated, less_is_better=score.less_is_better)):
                totals[at] += weight * value
        counts = self._cluster.owner_zones.get(wish.shape.owner)
        if counts is not None and len(self._cluster.zones) > 1:
            zones = {zone: self._profile.zone_weight * zone_spread(counts, zone) for zone in self._cluster.zones}
            for at, state in enumerate(fitting):
                totals[at] += zones[state.zone]
        most = max(totals)
        return random.choice([state.name for state, total in zip(fitting, totals, strict=True) if total == most])

    def _refused(self, refusals: Counter[Refusal]) -> Choice:
        return Choice(reason=sentence(refusals), refusals=refusals, helped_by=self._profile.helped_by(refusals))


def sentence(refusals: Counter[Refusal]) -> str:
    """Kubernetes' words: of all nodes none is available, and how many fail for which reason."""
    reasons: Counter[str] = Counter()
    for refusal, count in refusals.items():
        for reason in refusal.reasons:
            reasons[reason] += count
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"{_none_of(sum(refusals.values()))} {listed}."


def _none_of(nodes: int) -> str:
    return f"0/{nodes} nodes are available:"


def _round(names: list[str], start: int) -> Iterable[str]:
    for at in range(start, len(names)):
        yield names[at]
    for at in range(start):
        yield names[at]

"""Chooses a node for a pod on the picture of the cluster. Reads the picture, does not change it."""

import random
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from master.scheduler.change import NOTHING, Change
from master.scheduler.cluster import Cluster
from master.scheduler.filters import UNFIT, Refusal
from master.scheduler.looking import view_of
from master.scheduler.looks import Look, Looks
from master.scheduler.nodestate import NodeState
from master.scheduler.nominations import refusal_beside_nominated
from master.scheduler.profile import Profile, first_refusal
from master.scheduler.roster import Roster
from master.scheduler.scores import normalised, zone_spread
from master.scheduler.views import NOTHING_NEAR
from master.scheduler.wish import Shape, Wish

NO_NODES = "no nodes available to schedule pods"
# Shapes of pods whose rosters are kept; each holds some 300 bytes a node.
_KEPT = 32
_Key = tuple[Shape, bytes]


@dataclass(frozen=True, slots=True)
class Choice:
    """The node; or a sentence about why there is none, what is against each node, and what may help."""

    node: str = ""
    reason: str = ""
    refusals: Counter[Refusal] = field(default_factory=Counter)
    helped_by: Change = NOTHING


@dataclass(frozen=True, slots=True)
class Offer:
    """The nodes that fit and what each is worth, and what is against the others: for extenders to choose of."""

    totals: dict[str, float]
    refusals: Counter[Refusal]


class Chooser:
    """Makes one decision after the other, and remembers between them what still holds."""

    def __init__(self, cluster: Cluster, profile: Profile) -> None:
        self._cluster = cluster
        self._profile = profile
        self._looks = Looks(cluster, profile)
        # By shape and volumes: the pods met last, and a roster where there was more than one of them.
        self._met: OrderedDict[_Key, None] = OrderedDict()
        self._rosters: OrderedDict[_Key, Roster] = OrderedDict()
        self._start = 0

    def choose(self, wish: Wish) -> Choice:
        """The best node that passes every filter."""
        cluster = self._cluster
        if (hopeless := self._hopeless(wish)) is not None:
            return hopeless
        self._look_around(wish)
        wanted = cluster.nodes.get(cluster.nominated_to(wish.uid))
        if wanted is not None and refusal_beside_nominated(wish, wanted, cluster, self._profile) is None:
            return Choice(node=wanted.name)
        known = self._known(wish)
        if wish.view is NOTHING_NEAR and isinstance(known, Roster):
            node = known.best(wish)
            return Choice(node=node) if node else self._refused(known.refusals())
        fitting, totals, refusals = self._fitting(wish, known, self._profile.sample(len(cluster.round)))
        if not fitting:
            return self._refused(refusals)
        self._add_neighbours(wish, fitting, totals)
        return Choice(node=_any_best(dict(zip((state.name for state in fitting), totals, strict=True))))

    def offer(self, wish: Wish) -> Choice | Offer:
        """Nodes that fit, as many as others who have a say in it are asked about; or that there is none."""
        if (hopeless := self._hopeless(wish)) is not None:
            return hopeless
        self._look_around(wish)
        sample = self._profile.sample_for_extenders(len(self._cluster.round))
        # Extenders may let none of them through: then the pod says what is against each node.
        fitting, totals, refusals = self._fitting(wish, self._known(wish), sample, tell_all=True)
        if not fitting:
            return self._refused(refusals)
        self._add_neighbours(wish, fitting, totals)
        return Offer({state.name: total for state, total in zip(fitting, totals, strict=True)}, refusals)

    def chosen(self, offer: Offer, totals: dict[str, float], others: Iterable[Refusal]) -> Choice:
        """What comes of an offer: the best of what is left of it. ``others``: what extenders have against nodes."""
        if totals:
            return Choice(node=_any_best(totals))
        return self._refused(offer.refusals + Counter(others))

    def _hopeless(self, wish: Wish) -> Choice | None:
        """Why no node is to be looked at."""
        count = len(self._cluster.nodes)
        if not count:
            return Choice(reason=NO_NODES, helped_by=Change.NODE)
        if not wish.volumes.problem:
            return None
        refusals = Counter({Refusal((wish.volumes.problem,)): count})
        reason = f"{_none_of(count)} {wish.volumes.problem}."
        return Choice(reason=reason, refusals=refusals, helped_by=Change.VOLUME)

    def _look_around(self, wish: Wish) -> None:
        tuning = self._profile.tuning
        hard, others = tuning.hard_affinity, tuning.others_wishes
        wish.view = view_of(wish, self._cluster, hard_affinity=hard, others_wishes=others)

    def refusal(self, wish: Wish, state: NodeState) -> Refusal | None:
        """Why a node does not fit. After ``choose`` has found none."""
        refusal, _ = self._looks.of(wish).at(wish, state)
        return refusal or first_refusal(self._profile.of_neighbours(wish)[0], wish, state)

    def _known(self, wish: Wish) -> Roster | Look:
        """What is known for pods like this one. A roster is worth its cost from the second on."""
        key = (wish.shape, wish.volumes.key)
        roster = self._rosters.get(key)
        if roster is None:
            look = self._looks.of(wish)
            if key not in self._met:
                self._met[key] = None
                _keep_last(self._met)
                return look
            del self._met[key]
            roster = self._rosters[key] = Roster(wish, self._cluster, self._profile, look)
            _keep_last(self._rosters)
        self._rosters.move_to_end(key)
        return roster

    def _fitting(
        self, wish: Wish, known: Roster | Look, sample: int, *, tell_all: bool = False
    ) -> tuple[list[NodeState], list[float], Counter[Refusal]]:
        """Enough nodes that fit, beginning where the last look ended, and their scores by what reads a node alone;
        and what is against those that do not (where some fit, of all of them only with ``tell_all``).
        """
        cluster, profile = self._cluster, self._profile
        checks, _ = profile.of_neighbours(wish)
        found: list[NodeState] = []
        totals: list[float] = []
        refusals: Counter[Refusal] = Counter()
        # Why is told by the first filter there is; but a look at the neighbours' counts is the cheaper one.
        ill_placed: list[NodeState] = []
        for state in self._candidates(wish):
            for one in checks:
                if one.check(wish, state) is not None:
                    ill_placed.append(state)
                    break
            else:
                refusal, score = known.at(wish, state)
                if refusal is None and state.nominated:
                    refusal = refusal_beside_nominated(wish, state, cluster, profile)
                if refusal is not None:
                    refusals[refusal] += 1
                    continue
                found.append(state)
                totals.append(score)
                if len(found) >= sample:
                    break
        looked = refusals.total() + len(ill_placed) + len(found)
        if tell_all or not found:
            whys = (known.at(wish, state)[0] or first_refusal(checks, wish, state) for state in ill_placed)
            refusals.update(why for why in whys if why is not None)
        self._start += looked
        others = len(cluster.round) - looked
        if others and (not found or wish.shape.pinned is not None):
            # The pod names its nodes, and these are not among them.
            refusals[UNFIT] += others
        return found, totals, refusals

    def _candidates(self, wish: Wish) -> Iterable[NodeState]:
        nodes, states = self._cluster.nodes, self._cluster.round
        if wish.shape.pinned is not None:
            return [nodes[name] for name in wish.shape.pinned if name in nodes]
        start = self._start % len(states)
        # By place: an islice would touch all nodes before the first, which are not in the processor's cache.
        return map(states.__getitem__, chain(range(start, len(states)), range(start)))

    def _add_neighbours(self, wish: Wish, fitting: list[NodeState], totals: list[float]) -> None:
        """To the scores what the neighbourhood is worth."""
        for score, weight in self._profile.of_neighbours(wish)[1]:
            rated = [score.rate(wish, state) for state in fitting]
            for at, value in enumerate(normalised(rated, less_is_better=score.less_is_better)):
                totals[at] += weight * value
        counts = self._cluster.owner_zones.get(wish.shape.owner)
        if counts is not None and len(self._cluster.zones) > 1:
            zones = {zone: self._profile.zone_weight * zone_spread(counts, zone) for zone in self._cluster.zones}
            for at, state in enumerate(fitting):
                totals[at] += zones[state.zone]

    def _refused(self, refusals: Counter[Refusal]) -> Choice:
        reason = sentence(refusals, len(self._cluster.nodes))
        return Choice(reason=reason, refusals=refusals, helped_by=self._profile.helped_by(refusals))


def _any_best(totals: dict[str, float]) -> str:
    most = max(totals.values())
    return random.choice([name for name, total in totals.items() if total == most])


def sentence(refusals: Counter[Refusal], nodes: int) -> str:
    """Kubernetes' words: of all nodes none is available, and how many of those looked at fail for which reason."""
    reasons: Counter[str] = Counter()
    for refusal, count in refusals.items():
        for reason in refusal.reasons:
            reasons[reason] += count
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"{_none_of(nodes)} {listed}."


def _none_of(nodes: int) -> str:
    return f"0/{nodes} nodes are available:"


def _keep_last(kept: OrderedDict[_Key, Any]) -> None:
    if len(kept) > _KEPT:
        kept.popitem(last=False)

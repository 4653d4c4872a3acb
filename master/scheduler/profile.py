"""Which filters and scores are used, with which weights, and how many nodes are looked at."""

from collections.abc import Iterable

from master.scheduler.change import ANYTHING, NOTHING, Change
from master.scheduler.cluster import NodeState
from master.scheduler.filters import FILTERS, Filter, Refusal
from master.scheduler.scores import SCORES, Score
from master.scheduler.wish import Wish

# Kubernetes' numFeasibleNodesToFind has the same least numbers, and up to half of the nodes in small clusters.
_ALL_BELOW = 100
_PERCENT = 5
# A zone counts twice what a node does when pods of a controller are spread.
_ZONE_TO_NODE = 2
Weighted = tuple[Score, int]
DEFAULT_SCORES: tuple[Weighted, ...] = tuple((score, score.weight) for score in SCORES)


class Profile:
    """percentage_of_nodes: of how many fitting nodes the best is taken; 0 lets it follow from their number.

    The back-off of a pod that was refused begins at the initial one and doubles up to the greatest.
    """

    def __init__(
        self,
        filters: tuple[Filter, ...] = FILTERS,
        scores: tuple[Weighted, ...] = DEFAULT_SCORES,
        *,
        percentage_of_nodes: int = 0,
        initial_backoff_s: float = 1.0,
        max_backoff_s: float = 10.0,
    ) -> None:
        self.filters = filters
        self.scores = scores
        self.percentage_of_nodes = percentage_of_nodes
        self.initial_backoff_s = initial_backoff_s
        self.max_backoff_s = max_backoff_s
        self.wide_scores = tuple((score, weight) for score, weight in scores if score.wide)
        self.zone_weight = sum(_ZONE_TO_NODE * weight for score, weight in scores if score.name == "SelectorSpread")
        self._helped_by = {one.name: one.helped_by for one in filters}
        self._narrow = tuple(one for one in filters if not one.wide)
        self._wide = tuple(one for one in filters if one.wide)
        self._narrow_rates = tuple((score.rate, weight) for score, weight in scores if not score.wide)

    def sample(self, nodes: int) -> int:
        """How many fitting nodes are enough to take the best of, with so many nodes in all."""
        if nodes < _ALL_BELOW or self.percentage_of_nodes >= 100:
            return nodes
        return max(_ALL_BELOW, nodes * (self.percentage_of_nodes or _PERCENT) // 100)

    def narrow_refusal(self, wish: Wish, state: NodeState) -> Refusal | None:
        """What the first filter that reads this node alone has against it."""
        return _refusal(self._narrow, wish, state)

    def wide_refusal(self, wish: Wish, state: NodeState) -> Refusal | None:
        """What the first filter that reads the neighbourhood has against the node."""
        return _refusal(self._wide, wish, state)

    def refusal(self, wish: Wish, state: NodeState) -> Refusal | None:
        """The first reason why the pod cannot run on the node."""
        return self.narrow_refusal(wish, state) or self.wide_refusal(wish, state)

    def helped_by(self, refusals: Iterable[Refusal]) -> Change:
        """After which changes one of these may no longer hold."""
        found = NOTHING
        for refusal in refusals:
            found |= self._helped_by.get(refusal.by, ANYTHING)
        return found

    def narrow_score(self, wish: Wish, state: NodeState) -> float:
        """The weighted sum of all that reads this node alone."""
        total = 0.0
        for rate, weight in self._narrow_rates:
            total += weight * rate(wish, state)
        return total


def _refusal(filters: tuple[Filter, ...], wish: Wish, state: NodeState) -> Refusal | None:
    for one in filters:
        refusal = one.check(wish, state)
        if refusal is not None:
            return Refusal(refusal.reasons, refusal.curable, one.name)
    return None

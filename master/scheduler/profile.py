"""Which filters and scores are used, with which weights, and how many nodes are looked at."""

from collections.abc import Iterable

from master.scheduler.arguments import NO_TUNING, Tuning
from master.scheduler.change import ANYTHING, NOTHING, Change
from master.scheduler.filters import FILTERS, Filter, Refusal
from master.scheduler.nodestate import NodeState
from master.scheduler.reading import Reads
from master.scheduler.scores import SCORES, Rate, Score
from master.scheduler.wish import Wish

# Of 100 nodes anywhere in the cluster the best is one of its best 3 % in 19 of 20 cases, however many nodes there are.
# Kubernetes' numFeasibleNodesToFind takes as many at least, but a share of 5 to 50 % where that is more.
_ENOUGH = 100
# A zone counts twice what a node does when pods of a controller are spread.
_ZONE_TO_NODE = 2
Weighted = tuple[Score, int]
DEFAULT_SCORES: tuple[Weighted, ...] = tuple((score, score.weight) for score in SCORES)


class Profile:
    """percentage_of_nodes: of how many fitting nodes the best is taken; 0 lets a hundred be enough. preempts: whether
    pods may push out less important ones at all.

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
        tuning: Tuning = NO_TUNING,
        preempts: bool = True,
    ) -> None:
        self.filters = filters
        self.scores = scores
        self.percentage_of_nodes = percentage_of_nodes
        self.initial_backoff_s = initial_backoff_s
        self.max_backoff_s = max_backoff_s
        self.tuning = tuning
        self.preempts = preempts
        self.zone_weight = sum(_ZONE_TO_NODE * weight for score, weight in scores if score.name == "SelectorSpread")
        self._helped_by = {one.name: one.helped_by for one in filters}
        self._filters_that = {reads: tuple(one for one in filters if one.reads is reads) for reads in Reads}
        self._scores_that = {reads: tuple(one for one in scores if one[0].reads is reads) for reads in Reads}

    def sample(self, nodes: int) -> int:
        """How many fitting nodes are enough to take the best of, with so many nodes in all."""
        return min(nodes, max(_ENOUGH, nodes * self.percentage_of_nodes // 100))

    def sample_for_extenders(self, nodes: int) -> int:
        """The same where extenders may leave nodes out: a share that they have something to choose of.
        (Kubernetes' numFeasibleNodesToFind: a hundred at least, 50 % of few nodes down to 5 % of many.)
        """
        share = self.percentage_of_nodes or max(5, 50 - nodes // 125)
        return min(nodes, max(_ENOUGH, nodes * share // 100))

    def of_node(self, wish: Wish, state: NodeState) -> tuple[Refusal | None, float]:
        """What the first filter that reads nothing but the node has against it, or its score by what reads no more."""
        refusal = first_refusal(self._filters_that[Reads.NODE], wish, state)
        if refusal is not None:
            return refusal, 0.0
        return None, sum(weight * score.rate(wish, state) for score, weight in self._scores_that[Reads.NODE])

    def of_room(self, wish: Wish) -> tuple[tuple[Filter, ...], tuple[tuple[Rate, int], ...]]:
        """Those filters and rates of a node's room that concern such a pod."""
        return self._filters_for(wish, Reads.ROOM), tuple(
            (score.rate, weight) for score, weight in self._scores_that[Reads.ROOM] if score.concerns(wish)
        )

    def of_neighbours(self, wish: Wish) -> tuple[tuple[Filter, ...], tuple[Weighted, ...]]:
        """Those filters and scores of the neighbourhood that concern such a pod, as its view is now."""
        return self._filters_for(wish, Reads.NEIGHBOURS), tuple(
            one for one in self._scores_that[Reads.NEIGHBOURS] if one[0].concerns(wish)
        )

    def _filters_for(self, wish: Wish, reads: Reads) -> tuple[Filter, ...]:
        return tuple(one for one in self._filters_that[reads] if one.concerns(wish))

    def refusal(self, wish: Wish, state: NodeState) -> Refusal | None:
        """The first reason why the pod cannot run on the node."""
        return first_refusal(self.filters, wish, state)

    def helped_by(self, refusals: Iterable[Refusal]) -> Change:
        """After which changes one of these may no longer hold."""
        found = NOTHING
        for refusal in refusals:
            found |= self._helped_by.get(refusal.by, ANYTHING)
        return found


def first_refusal(filters: tuple[Filter, ...], wish: Wish, state: NodeState) -> Refusal | None:
    """What the first of these filters has against a node."""
    for one in filters:
        refusal = one.check(wish, state)
        if refusal is not None:
            return Refusal(refusal.reasons, refusal.curable, one.name)
    return None

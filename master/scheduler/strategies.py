"""Other ways to judge the room on a node than the default ones: chosen by the arguments of NodeResourcesFit and
NodeResourcesBalancedAllocation. Pure functions, 0 to 100.

Source of the rules: Kubernetes' documentation of `scoringStrategy` (LeastAllocated, MostAllocated,
RequestedToCapacityRatio).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from master.scheduler.nodestate import NodeState
from master.scheduler.scores import MAX, Rate
from master.scheduler.wish import Wish

# Of the part that would be taken, from 0 to more than 1.
Worth = Callable[[float], float]
_BOTH = ("cpu", "memory")


def least(share: float) -> float:
    return MAX * max(0.0, 1 - share)


def most(share: float) -> float:
    return MAX * min(1.0, share)


def ratio(points: Sequence[tuple[float, float]]) -> Worth:
    """Straight lines between points of utilization (percent) and worth; level beyond the first and the last."""

    def worth(share: float) -> float:
        at = 100 * share
        if at <= points[0][0]:
            return points[0][1]
        for (left, low), (right, high) in pairwise(points):
            if at <= right:
                return low + (high - low) * (at - left) / (right - left)
        return points[-1][1]

    return worth


def fit(worth: Worth, weights: Mapping[str, int]) -> Rate:
    """The weighted mean over these resources; one that the node has not, or the pod does not ask for, counts not."""

    def rate(wish: Wish, state: NodeState) -> float:
        total = weighed = 0.0
        for name, weight in weights.items():
            share = _share(wish, state, name)
            if share is not None:
                total += weight * worth(share)
                weighed += weight
        return total / weighed if weighed else 0.0

    return rate


def balanced(names: Sequence[str]) -> Rate:
    """The parts taken of these resources lie close together: by their standard deviation."""

    def rate(wish: Wish, state: NodeState) -> float:
        found = [min(1.0, share) for name in names if (share := _share(wish, state, name)) is not None]
        if len(found) < 2:
            return MAX
        mean = sum(found) / len(found)
        return MAX * (1 - math.sqrt(sum((share - mean) ** 2 for share in found) / len(found)))

    return rate


def _share(wish: Wish, state: NodeState, name: str) -> float | None:
    """Which part of a resource would be taken. For CPU and memory something is assumed where nothing is asked for."""
    room = state.allocatable.get(name, 0)
    if not room:
        return None
    if name == "cpu":
        return (state.scored_cpu + wish.shape.scored_cpu) / room
    if name == "memory":
        return (state.scored_memory + wish.shape.scored_memory) / room
    asked = wish.shape.requests.get(name, 0)
    return (state.requested.get(name, 0) + asked) / room if asked else None

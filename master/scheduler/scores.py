"""Scores (the *priorities* of old): how well would this pod run on that node? Each is a pure function.

A score that reads one node is from 0 to 100. One that reads the neighbours as well is any number, and is brought to 0
to 100 among the nodes compared. The node with the highest weighted sum wins; equal ones take turns.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.placement import term_holds
from master.scheduler.nodestate import NodeState
from master.scheduler.reading import Reads
from master.scheduler.terms import tolerated
from master.scheduler.wish import Wish

MAX = 100
_IMAGE_LOW_BYTES = 23 * 2**20
_IMAGE_HIGH_BYTES = 1000 * 2**20
Rate = Callable[[Wish, NodeState], float]


@dataclass(frozen=True, slots=True)
class Score:
    """A rating under its name in Kubernetes, with the weight that counts when none is configured.

    concerns: whether it can tell nodes apart for such a pod at all.
    """

    name: str
    rate: Rate
    reads: Reads
    weight: int
    less_is_better: bool = False
    concerns: Callable[[Wish], bool] = lambda _: True


# These two are asked of each node looked at, so they work on floats and repeat what they share: half the time.


def least_requested(wish: Wish, state: NodeState) -> float:
    """The smaller part of CPU and memory would be taken with the pod on the node."""
    shape = wish.shape
    cpu = (state.scored_cpu + shape.scored_cpu) * state.per_cpu
    memory = (state.scored_memory + shape.scored_memory) * state.per_memory
    return 100.0 - 50.0 * ((cpu if cpu < 1.0 else 1.0) + (memory if memory < 1.0 else 1.0))


def balanced_allocation(wish: Wish, state: NodeState) -> float:
    """CPU and memory would be taken alike."""
    shape = wish.shape
    cpu = (state.scored_cpu + shape.scored_cpu) * state.per_cpu
    memory = (state.scored_memory + shape.scored_memory) * state.per_memory
    return 100.0 - 50.0 * abs((cpu if cpu < 1.0 else 1.0) - (memory if memory < 1.0 else 1.0))


def image_locality(wish: Wish, state: NodeState) -> float:
    """More of the pod's images, by size, are on the node already. An image weighs by the share of nodes that have it:
    one that few have must not draw all pods there. (That share may be older than the rest of what is known of a node.)
    """
    here = state.images
    if not here:
        return 0.0
    total = sum(here[name] * state.spread.share(name) for name in wish.shape.images if name in here)
    high = _IMAGE_HIGH_BYTES * max(1, len(wish.shape.images))
    return MAX * (min(max(total, _IMAGE_LOW_BYTES), high) - _IMAGE_LOW_BYTES) / (high - _IMAGE_LOW_BYTES)


def selector_spread(wish: Wish, state: NodeState) -> float:
    """Fewer pods of the same controller are on the node."""
    return MAX / (1 + state.owners.get(wish.shape.owner, 0))


def zone_spread(counts: Mapping[str, int], zone: str) -> float:
    """Fewer pods of the same controller are in the zone, 0 to 100; ``counts`` are those of all zones."""
    most = max(counts.values(), default=0)
    return MAX * (most - counts.get(zone, 0)) / most if most else MAX


def preferred_affinity(wish: Wish, state: NodeState) -> float:
    affinity = wish.shape.affinity
    part = affinity.node_affinity if affinity is not None else None
    terms = part.preferred_during_scheduling_ignored_during_execution if part is not None else []
    total = won = 0
    for term in terms:
        total += term.weight
        if term.preference is not None and term_holds(term.preference, state.name, state.labels):
            won += term.weight
    return MAX * won / total if total else 0.0


def preferred_taints(wish: Wish, state: NodeState) -> float:
    """Fewer taints of effect PreferNoSchedule that the pod does not bear."""
    found = state.node.spec.taints
    if not found:
        return MAX
    unwanted = sum(
        taint.effect == "PreferNoSchedule" and not tolerated(taint, wish.shape.tolerations) for taint in found
    )
    return MAX / (1 + unwanted)


def pod_affinity(wish: Wish, state: NodeState) -> float:
    """Weights of preferred terms, this pod's and those of the pods placed, for each pod near."""
    labels = state.labels
    total = 0
    for key, counts, weight in wish.view.wishes:
        domain = labels.get(key)
        if domain is not None:
            total += weight * counts.get(domain, 0)
    return total


def topology_spread(wish: Wish, state: NodeState) -> float:
    """Matching pods in the node's domains; a domain weighs more the fewer of its kind there are."""
    total = 0.0
    for wanted, counts, _ in wish.view.soft_spread:
        domain = state.labels.get(wanted.key)
        if domain is None:
            return math.inf
        total += counts.get(domain, 0) * math.log(len(counts) + 2) + wanted.max_skew - 1
    return total


def normalised(values: list[float], *, less_is_better: bool) -> list[float]:
    """From 0 for the worst to 100 for the best; all 0 when they are alike. An infinite one is the worst."""
    finite = [value for value in values if value != math.inf]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if low == high:
        return [0.0 if value == math.inf or len(finite) == len(values) else MAX for value in values]
    span = high - low
    if less_is_better:
        return [0.0 if value == math.inf else MAX * (high - value) / span for value in values]
    return [MAX * (value - low) / span for value in values]


SCORES: tuple[Score, ...] = (
    Score("NodeResourcesFit", least_requested, Reads.ROOM, 1),
    Score("NodeResourcesBalancedAllocation", balanced_allocation, Reads.ROOM, 1),
    Score("ImageLocality", image_locality, Reads.ROOM, 1),
    Score("SelectorSpread", selector_spread, Reads.ROOM, 2, concerns=lambda wish: bool(wish.shape.owner)),
    Score("NodeAffinity", preferred_affinity, Reads.NODE, 2),
    Score("TaintToleration", preferred_taints, Reads.NODE, 3),
    Score(
        "PodTopologySpread",
        topology_spread,
        Reads.NEIGHBOURS,
        2,
        less_is_better=True,
        concerns=lambda wish: bool(wish.view.soft_spread),
    ),
    Score("InterPodAffinity", pod_affinity, Reads.NEIGHBOURS, 2, concerns=lambda wish: bool(wish.view.wishes)),
)

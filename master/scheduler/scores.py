"""Scores (the *priorities* of old): how well would this pod run on that node? Each is a pure function from 0 to 100.

The node with the highest weighted sum wins; equal ones take turns.
"""

from collections.abc import Callable

from api.core import Pod
from master.scheduler.cluster import NodeState, scored_requests
from master.scheduler.filters import term_matches, tolerated

MAX = 100
_IMAGE_LOW_BYTES = 23 * 2**20
_IMAGE_HIGH_BYTES = 1000 * 2**20
Score = Callable[[Pod, NodeState], float]


def _shares(pod: Pod, state: NodeState) -> tuple[float, float]:
    """Which parts of CPU and memory would be taken with the pod on the node; 1 is all."""
    cpu, memory = scored_requests(pod.spec)
    return (
        min(1.0, (state.scored_cpu + cpu) / max(1, state.allocatable.get("cpu", 0))),
        min(1.0, (state.scored_memory + memory) / max(1, state.allocatable.get("memory", 0))),
    )


def least_requested(pod: Pod, state: NodeState) -> float:
    cpu, memory = _shares(pod, state)
    return MAX * (1 - (cpu + memory) / 2)


def balanced_allocation(pod: Pod, state: NodeState) -> float:
    cpu, memory = _shares(pod, state)
    return MAX * (1 - abs(cpu - memory) / 2)


def image_locality(pod: Pod, state: NodeState) -> float:
    """More of the pod's images, by size, are on the node already."""
    sizes = {name: image.size_bytes for image in state.node.status.images for name in image.names}
    total = sum(sizes.get(name, 0) for container in pod.spec.containers for name in _names(container.image))
    high = _IMAGE_HIGH_BYTES * max(1, len(pod.spec.containers))
    return MAX * (min(max(total, _IMAGE_LOW_BYTES), high) - _IMAGE_LOW_BYTES) / (high - _IMAGE_LOW_BYTES)


def _names(image: str) -> tuple[str, ...]:
    return (image,) if ":" in image.rpartition("/")[2] or "@" in image else (image, f"{image}:latest")


def spread(pod: Pod, state: NodeState) -> float:
    """Fewer pods of the same owner are on the node."""
    owners = {owner.uid for owner in pod.metadata.owner_references}
    if not owners:
        return MAX
    siblings = sum(
        any(owner.uid in owners for owner in other.metadata.owner_references) for other in state.pods.values()
    )
    return MAX / (1 + siblings)


def preferred_affinity(pod: Pod, state: NodeState) -> float:
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity is not None else None
    terms = affinity.preferred_during_scheduling_ignored_during_execution if affinity is not None else []
    total = sum(term.weight for term in terms)
    won = sum(
        term.weight for term in terms if term.preference is not None and term_matches(term.preference, state.node)
    )
    return MAX * won / total if total else 0.0


def preferred_taints(pod: Pod, state: NodeState) -> float:
    borne = [taint for taint in state.node.spec.taints if taint.effect == "PreferNoSchedule"]
    unwanted = sum(not tolerated(taint, pod.spec.tolerations) for taint in borne)
    return MAX / (1 + unwanted)


SCORES: tuple[tuple[Score, int], ...] = (
    (least_requested, 1),
    (balanced_allocation, 1),
    (image_locality, 1),
    (spread, 2),
    (preferred_affinity, 2),
    (preferred_taints, 3),
)


def total(pod: Pod, state: NodeState) -> float:
    return sum(weight * score(pod, state) for score, weight in SCORES)

"""Which pods go first when there are too many: pure. The order is that of Kubernetes' ``ActivePodsWithRanks``.

Ages count by their power of two: pods of about the same age go in the order of their UIDs, which is chance. Were it
always the youngest, then one node or zone, the one filled last, would be emptied each time.
(Source: KEP 2185, LogarithmicScaleDown.)
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cmp_to_key
from typing import NamedTuple

from api.core import ContainerStatus, Pod
from master.controllers.pods import condition, is_ready

_COST = "controller.kubernetes.io/pod-deletion-cost"
_NUMBER = re.compile(r"0|-[0-9]{1,10}|[1-9][0-9]{0,9}")
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


class _Standing(NamedTuple):
    """What is compared, in this order. ``rank``: has a node, phase, is ready, deletion cost, fewer of its kind beside.
    ``restarts``: the most of a container, and of a sidecar."""

    rank: tuple[bool, int, bool, int, int]
    ready_since: datetime | None
    restarts: tuple[int, int]
    created: datetime | None
    uid: str


def least_useful_first(pods: Iterable[Pod], moment: datetime, beside: Mapping[str, int]) -> list[Pod]:
    """``beside``: by node how many of their kind are there; nothing where that does not count."""

    def compared(one: tuple[_Standing, Pod], other: tuple[_Standing, Pod]) -> int:
        return _compared(one[0], other[0], moment)

    placed = sorted(((_standing(pod, beside), pod) for pod in pods), key=cmp_to_key(compared))
    return [pod for _, pod in placed]


def _standing(pod: Pod, beside: Mapping[str, int]) -> _Standing:
    node, status, ready = pod.spec.node_name, pod.status, condition(pod, "Ready")
    sidecars = {one.name for one in pod.spec.init_containers if one.restart_policy == "Always"}
    return _Standing(
        rank=(bool(node), _PHASES.get(status.phase, 0), is_ready(pod), _cost(pod), -beside.get(node, 0)),
        ready_since=ready.last_transition_time if ready is not None and ready.status == "True" else None,
        restarts=(
            _most_restarts(status.container_statuses),
            _most_restarts(one for one in status.init_container_statuses if one.name in sidecars),
        ),
        created=pod.metadata.creation_timestamp,
        uid=pod.metadata.uid,
    )


def _compared(one: _Standing, other: _Standing, moment: datetime) -> int:
    """Below 0 when the first goes before the second."""
    if one.rank != other.rank:
        return -1 if one.rank < other.rank else 1
    if one.ready_since != other.ready_since:
        return _younger(one.ready_since, other.ready_since, moment) or _by_uid(one, other)
    if one.restarts != other.restarts:
        return -1 if one.restarts > other.restarts else 1
    if one.created != other.created:
        return _younger(one.created, other.created, moment) or _by_uid(one, other)
    return 0


def _younger(one: datetime | None, other: datetime | None, moment: datetime) -> int:
    """Below 0 when the first is clearly younger, or has no time at all; 0 when they are of about the same age."""
    if one is None or other is None:
        return -1 if one is None else 1
    return _power(moment, one) - _power(moment, other)


def _power(moment: datetime, since: datetime) -> int:
    nanoseconds = (moment - since).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds >= 1 else -1


def _by_uid(one: _Standing, other: _Standing) -> int:
    return -1 if one.uid < other.uid else 1


def _most_restarts(containers: Iterable[ContainerStatus]) -> int:
    return max((one.restart_count for one in containers), default=0)


def _cost(pod: Pod) -> int:
    """0 for what is no number of 32 bits: the API server lets it pass."""
    said = pod.metadata.annotations.get(_COST, "0")
    cost = int(said) if _NUMBER.fullmatch(said) else 0
    return cost if -(2**31) <= cost < 2**31 else 0

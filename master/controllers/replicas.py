"""What a ReplicationController or ReplicaSet lacks, has too much of, and can say of itself: pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from api.apps import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from api.core import Pod, ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus
from api.selectors import Selector, from_label_selector, from_map
from master.controllers.leastuseful import least_useful_first
from master.controllers.pods import is_ready, ready_seconds
from master.controllers.replicafailure import with_failure

Replicated = ReplicationController | ReplicaSet

_BURST = 500


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one controller."""

    create: int = 0
    delete: tuple[Pod, ...] = ()


def decide(
    wanted: int,
    pods: Sequence[Pod],
    moment: datetime,
    *,
    coming: int = 0,
    going: Iterable[str] = (),
    relatives: Iterable[Pod] | None = None,
) -> Decision:
    """How many pods to create, or which to delete.

    pods: the active pods of the controller. coming: pods created that are not among them yet. going: UIDs of pods
    among them that were deleted already. relatives: active pods of the other replica sets of the same deployment; None
    for a controller without an owner, whose pods crowd no node (as with Kubernetes).
    """
    leaving = set(going)
    staying = [pod for pod in pods if pod.metadata.uid not in leaving]
    difference = wanted - len(staying) - coming
    if difference >= 0:
        return Decision(create=min(difference, _BURST))
    crowd = Counter(pod.spec.node_name for pod in (*staying, *relatives)) if relatives is not None else Counter[str]()
    return Decision(delete=tuple(least_useful_first(staying, moment, crowd)[:-difference]))


def selector_of(controller: Replicated) -> Selector:
    """Which pods a controller counts as its own."""
    if isinstance(controller, ReplicaSet):
        return from_label_selector(controller.spec.selector)
    return from_map(controller.spec.selector)


def status_of(
    controller: Replicated, pods: Sequence[Pod], moment: datetime, failure: tuple[str, str] | None = None
) -> tuple[ReplicationControllerStatus | ReplicaSetStatus, float]:
    """The status that the active pods add up to, and the seconds until one more becomes available (0 for none).

    failure: reason and message of what could not be done just now.
    """
    spec = controller.spec
    template = from_map(spec.template.metadata.labels) if spec.template is not None else from_map({})
    ages = [ready_seconds(pod, moment) for pod in pods]
    soon = [spec.min_ready_seconds - age for age in ages if 0 <= age < spec.min_ready_seconds]
    status = msgspec.structs.replace(
        controller.status,
        replicas=len(pods),
        fully_labeled_replicas=sum(template.matches(pod.metadata.labels) for pod in pods),
        ready_replicas=sum(is_ready(pod) for pod in pods),
        available_replicas=sum(age >= spec.min_ready_seconds for age in ages),
        observed_generation=controller.metadata.generation,
    )
    if failure or status.conditions:
        kind: Any = ReplicaSetCondition if isinstance(controller, ReplicaSet) else ReplicationControllerCondition
        status.conditions = with_failure(kind, status.conditions, failure, moment)
    return status, min(soon, default=0.0)

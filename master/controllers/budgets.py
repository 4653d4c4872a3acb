"""How many pods a PodDisruptionBudget lets go, worked out purely.

Source of the rules: the documentation of PodDisruptionBudget and the answers of Kubernetes' disruption controller.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from api.conditions import disruption_allowed, with_condition
from api.core import Pod
from api.meta import Condition
from api.policy import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from master.controllers.pods import is_ready

DELETION_TIMEOUT = timedelta(minutes=2)
"""A pod whose eviction was allowed and which is not being deleted by then counts as staying."""


@dataclass(frozen=True, slots=True)
class Need:
    """How many pods there should be, and how many of them must be healthy."""

    expected: int
    healthy: int


@dataclass(frozen=True, slots=True)
class Noted:
    """The pods whose eviction was allowed: those still awaited, with the time of the allowance, and those given up."""

    awaited: Mapping[str, datetime]
    staying: Sequence[Pod]

    def recheck_s(self, moment: datetime) -> float:
        """Seconds until the first of them is to be given up; 0 when none is awaited."""
        if not self.awaited:
            return 0.0
        return max(0.1, (min(self.awaited.values()) + DELETION_TIMEOUT - moment).total_seconds())


def asks_for_scale(spec: PodDisruptionBudgetSpec) -> bool:
    """Whether what is needed depends on the wanted number of pods; else it is a plain number of those there are."""
    return spec.max_unavailable is not None or isinstance(spec.min_available, str)


def needed(spec: PodDisruptionBudgetSpec, *, pods: int, scale: int) -> Need:
    """``pods``: how many there are. ``scale``: how many their controllers want; read only where ``asks_for_scale``."""
    if spec.max_unavailable is not None:
        return Need(scale, max(0, scale - _share(spec.max_unavailable, scale)))
    if isinstance(spec.min_available, str):
        return Need(scale, _share(spec.min_available, scale))
    return Need(pods if spec.min_available is not None else 0, spec.min_available or 0)


def _share(value: int | str, whole: int) -> int:
    """A number, or a share rounded up."""
    return value if isinstance(value, int) else math.ceil(int(value.rstrip("%")) * whole / 100)


def noted(budget: PodDisruptionBudget, pods: Sequence[Pod], moment: datetime) -> Noted:
    """Pods that are gone or going need no note any more."""
    awaited: dict[str, datetime] = {}
    staying: list[Pod] = []
    for pod in pods:
        since = budget.status.disrupted_pods.get(pod.metadata.name)
        if since is None or pod.metadata.deletion_timestamp is not None:
            continue
        if since + DELETION_TIMEOUT < moment:
            staying.append(pod)
        else:
            awaited[pod.metadata.name] = since
    return Noted(awaited, staying)


def healthy(pods: Sequence[Pod], awaited: Mapping[str, datetime]) -> int:
    """How many pods are ready and expected to stay."""
    return sum(
        is_ready(pod) and pod.metadata.deletion_timestamp is None and pod.metadata.name not in awaited for pod in pods
    )


def status_of(
    budget: PodDisruptionBudget, pods: Sequence[Pod], need: Need, awaited: Mapping[str, datetime], moment: datetime
) -> PodDisruptionBudgetStatus:
    """A budget of which no pod is expected allows nothing: its first pods must not be taken before it is looked at."""
    count = healthy(pods, awaited)
    status = replace(
        budget.status,
        current_healthy=count,
        desired_healthy=need.healthy,
        expected_pods=need.expected,
        disruptions_allowed=max(0, count - need.healthy) if need.expected > 0 else 0,
        disrupted_pods=dict(awaited),
        observed_generation=budget.metadata.generation,
    )
    return replace(status, conditions=disruption_allowed(status, moment))


def fail_safe(budget: PodDisruptionBudget, problem: str, moment: datetime) -> PodDisruptionBudgetStatus:
    """What cannot be judged allows nothing."""
    told = Condition(
        type="DisruptionAllowed",
        status="False",
        reason="SyncFailed",
        message=problem,
        observed_generation=budget.metadata.generation,
    )
    conditions = with_condition(budget.status.conditions, told, moment)
    return replace(budget.status, disruptions_allowed=0, conditions=conditions)

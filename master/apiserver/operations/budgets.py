"""What a PodDisruptionBudget says of one eviction, worked out purely: yes, not asked, or a refusal in the words of
Kubernetes.

A yes is written into the status of the budget before the pod is told to go, at the version it was read at: of two
evictions that see one allowance the second finds the budget changed. The pod is noted in ``disruptedPods``, so that the
disruption controller counts it out before its deletion is seen.
"""

from datetime import datetime

from msgspec.structs import replace

from api.conditions import disruption_allowed
from api.core import Pod
from api.errors import Forbidden, TooManyRequests
from api.meta import StatusCause, StatusDetails
from api.policy import PodDisruptionBudget

NOTED_MAX = 2000
"""How many evicted pods may wait for their controller's look."""

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_PROCESSING_S = 10


def is_unbound(pod: Pod) -> bool:
    """Whether a pod may go without asking: it serves nobody, or is on its way out."""
    return pod.metadata.deletion_timestamp is not None or pod.status.phase in ("Pending", "Succeeded", "Failed")


def is_spared(pod: Pod, budget: PodDisruptionBudget) -> bool:
    """Whether a pod that is not ready may go without an allowance: its going makes nothing worse."""
    if any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions):
        return False
    status = budget.status
    return budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow" or (
        status.current_healthy >= status.desired_healthy > 0
    )


def charged(budget: PodDisruptionBudget, pod_name: str, moment: datetime) -> PodDisruptionBudget:
    """The budget with one allowance less. Raises TooManyRequests, Forbidden."""
    status, name = budget.status, budget.metadata.name
    if status.observed_generation < budget.metadata.generation:
        why = f"The disruption budget {name} is still being processed by the server."
        raise _later(why, retry_after_s=_PROCESSING_S)
    if status.disruptions_allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(status.disrupted_pods) > NOTED_MAX:
        raise _forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if status.disruptions_allowed == 0:
        needs, has = status.desired_healthy, status.current_healthy
        raise _later(f"The disruption budget {name} needs {needs} healthy pods and has {has} currently")
    left = status.disruptions_allowed - 1
    noted = replace(status, disruptions_allowed=left, disrupted_pods=status.disrupted_pods | {pod_name: moment})
    return replace(budget, status=replace(noted, conditions=disruption_allowed(noted, moment)))


def _later(why: str, *, retry_after_s: int = 0) -> TooManyRequests:
    cause = StatusCause(reason="DisruptionBudget", message=why)
    return TooManyRequests(_REFUSED, details=StatusDetails(causes=[cause], retry_after_seconds=retry_after_s))


def _forbidden(name: str, why: str) -> Forbidden:
    details = StatusDetails(name=name, group="policy", kind="poddisruptionbudget")
    return Forbidden(f'poddisruptionbudget.policy "{name}" is forbidden: {why}', details=details)

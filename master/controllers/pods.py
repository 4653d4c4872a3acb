"""What controllers ask of a pod, and say of one that is to go."""

from datetime import datetime
from typing import Any

from api.core import Pod, PodCondition
from api.scalars import now
from client import Client


def condition(pod: Pod, condition_type: str) -> PodCondition | None:
    for item in pod.status.conditions:
        if item.type == condition_type:
            return item
    return None


def is_ready(pod: Pod) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def has_ended(pod: Pod) -> bool:
    """None of its containers runs, nor will."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Counts as a replica: not ended and not being deleted."""
    return not has_ended(pod) and pod.metadata.deletion_timestamp is None


def ready_seconds(pod: Pod, now: datetime) -> float:
    """How long a pod has been ready; negative when it is not."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True" or ready.last_transition_time is None:
        return -1.0
    return (now - ready.last_transition_time).total_seconds()


def tell_end(client: Client, pod: Pod, *, reason: str = "", message: str = "", failed: bool = False) -> None:
    """Says in the status of a pod, before it is deleted, why it is to go (``DisruptionTarget``), and that it has failed
    where no agent is left to say so. Raises NotFound when it has gone.
    """
    status: dict[str, Any] = {"phase": "Failed"} if failed and not has_ended(pod) else {}
    if reason:
        told = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        status["conditions"] = [{**told, "lastTransitionTime": now()}]
    if status:
        meta = pod.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": status}
        client.patch(Pod, meta.name, meta.namespace, patch, subresource="status")

"""What controllers ask of a pod."""

from datetime import datetime

from api.core import Pod, PodCondition


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

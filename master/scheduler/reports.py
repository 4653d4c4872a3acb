"""What is told about pods: conditions in their status, events, and nominations. Blocks for as long as the API takes."""

from typing import Any

from api.core import ObjectReference, Pod
from api.scalars import now
from client import Client, EventRecorder
from master.scheduler.wish import Wish

GATED = "Scheduling is blocked due to non-empty scheduling gates"


class Reports:
    """Writes as one scheduler. Raises ApiError and Unreachable, but never for events."""

    def __init__(self, client: Client, recorder: EventRecorder, scheduler_name: str) -> None:
        self._client = client
        self._recorder = recorder
        self._scheduler_name = scheduler_name

    def placed(self, wish: Wish, node: str) -> None:
        said = f"Successfully assigned {wish.namespace}/{wish.name} to {node}"
        self._recorder.event(_reference(wish), "Normal", "Scheduled", said)

    def refused(self, wish: Wish, message: str, *, nominated: str | None = None) -> None:
        """``nominated`` is written too, unless it is None; empty takes a nomination back."""
        self._recorder.event(_reference(wish), "Warning", "FailedScheduling", message)
        self._condition(wish, "PodScheduled", "False", "Unschedulable", message, nominated=nominated)

    def gated(self, wish: Wish) -> None:
        self._condition(wish, "PodScheduled", "False", "SchedulingGated", GATED)

    def nomination_lost(self, wish: Wish) -> None:
        self._patch(wish, {"nominatedNodeName": None})

    def preempted(self, victim: Wish, preemptor: Wish, node: str) -> None:
        """Deletes a pod, which ends within its own grace, and tells for whom."""
        message = f"{self._scheduler_name}: preempting to accommodate a higher priority pod"
        self._condition(victim, "DisruptionTarget", "True", "PreemptionByScheduler", message)
        self._client.delete(Pod, victim.name, victim.namespace, uid=victim.uid)
        said = f"Preempted by pod {preemptor.uid} on node {node}"
        self._recorder.event(_reference(victim), "Normal", "Preempted", said)

    def _condition(
        self, wish: Wish, kind: str, status: str, reason: str, message: str, *, nominated: str | None = None
    ) -> None:
        condition = {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": now(),
        }
        part = {} if nominated is None else {"nominatedNodeName": nominated or None}
        self._patch(wish, {"conditions": [condition], **part})

    def _patch(self, wish: Wish, status: dict[str, Any]) -> None:
        patch = {"metadata": {"uid": wish.uid}, "status": status}
        self._client.patch(Pod, wish.name, wish.namespace, patch, subresource="status")


def _reference(wish: Wish) -> ObjectReference:
    return ObjectReference(api_version="v1", kind="Pod", namespace=wish.namespace, name=wish.name, uid=wish.uid)

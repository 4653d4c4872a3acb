"""What is told about pods: conditions in their status, events, and nominations. Blocks for as long as the API takes."""

from typing import Any

from api.claiming import SELECTED_NODE, is_for
from api.codec import plain
from api.core import ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import Conflict
from api.scalars import now
from client import Client, EventRecorder, Informer
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

    def reserved(
        self, claim: PersistentVolumeClaim, volume: str, node: str, volumes: Informer[PersistentVolume]
    ) -> None:
        """A volume is kept for the claim; or, without one, whoever makes volumes is told for which node.

        Raises Conflict when the volume is not any more what was looked at.
        """
        meta = claim.metadata
        if not volume:
            patch = {"metadata": {"uid": meta.uid, "annotations": {SELECTED_NODE: node}}}
            self._client.patch(PersistentVolumeClaim, meta.name, meta.namespace, patch, form="merge")
            return
        found = volumes.get("", volume)
        if found is None:
            raise Conflict(f'persistentvolume "{volume}" is gone')
        if is_for(found, claim) and found.spec.claim_ref is not None and found.spec.claim_ref.uid:
            return
        reference = ObjectReference(
            api_version="v1", kind="PersistentVolumeClaim", namespace=meta.namespace, name=meta.name, uid=meta.uid
        )
        guard: dict[str, Any] = {"uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version}
        guard["annotations"] = {"pv.kubernetes.io/bound-by-controller": "yes"}
        kept = {"metadata": guard, "spec": {"claimRef": plain(reference)}}
        self._client.patch(PersistentVolume, volume, "", kept, form="merge")

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

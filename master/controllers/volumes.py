"""Volume controller: gives claims their volumes, and says of both how they stand.

The rule: the volume is written first (its claimRef names the claim with its uid), the claim second; whoever is
interrupted between the two finds the half-made bond by the claimRef and completes it. A volume is never given to a
second claim: when its claim is gone it is Released, and an administrator decides. There is no provisioner: a claim
that nothing fits waits, and data is never deleted here. A claim of a class with ``WaitForFirstConsumer`` gets no volume
but one that is reserved for it: the scheduler does that, for the node where the claim's first pod will run.
"""

from typing import Any

from api.claiming import fitting, is_for, waits_for_consumer
from api.codec import plain
from api.core import ObjectReference, PersistentVolume, PersistentVolumeClaim
from api.storage import StorageClass
from client import Client, EventRecorder
from master.controllers.informers import Informers
from master.controllers.loop import Key, Loop

_DELAYED = "waiting for first consumer to be created before binding"


class VolumeController:
    """Two loops: one over claims, one over volumes."""

    name = "persistentvolume"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder
        self._classes = informers.storage_classes
        self._volumes = informers.volumes
        self._claims = informers.claims
        self._of_claims = Loop("persistentvolumeclaim", self.reconcile_claim)
        self._of_volumes = Loop(self.name, self.reconcile_volume)
        self.loops = (self._of_claims, self._of_volumes)
        self._volumes.add_listener(self._volume_changed)
        self._claims.add_listener(self._claim_changed)
        self._classes.add_listener(self._class_changed)

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        """A volume may be what a waiting claim waits for; a bound claim may have lost it."""
        volume = new or old
        if volume is None:
            return
        if new is not None:
            self._of_volumes.queue.add(("", new.metadata.name))
        for claim in self._claims.items():
            if claim.spec.volume_name in ("", volume.metadata.name):
                self._of_claims.queue.add((claim.metadata.namespace, claim.metadata.name))

    def _class_changed(self, _: StorageClass | None, new: StorageClass | None) -> None:
        """Claims may have come before their class."""
        if new is None:
            return
        for claim in self._claims.items():
            if claim.spec.storage_class_name == new.metadata.name and not claim.spec.volume_name:
                self._of_claims.queue.add((claim.metadata.namespace, claim.metadata.name))

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        claim = new or old
        if claim is None:
            return
        if new is not None:
            self._of_claims.queue.add((new.metadata.namespace, new.metadata.name))
        for volume in self._volumes.items():
            if volume.metadata.name == claim.spec.volume_name or is_for(volume, claim):
                self._of_volumes.queue.add(("", volume.metadata.name))

    # Claims.

    def reconcile_claim(self, key: Key) -> str:
        claim = self._claims.get(*key)
        if claim is None or claim.metadata.deletion_timestamp is not None:
            return ""
        name = claim.spec.volume_name
        bound = self._volumes.get("", name) if name else None
        if name and bound is None and claim.status.phase == "Bound":
            return self._tell_claim(claim, {"phase": "Lost"})
        if bound is not None and is_for(bound, claim) and bound.spec.claim_ref is not None and bound.spec.claim_ref.uid:
            return self._tell_claim(claim, _as_bound(bound))
        found = fitting(claim, self._volumes.items())
        delayed = waits_for_consumer(self._classes.get("", claim.spec.storage_class_name or "")) and not name
        volume = next((one for one in found if not delayed or is_for(one, claim)), None)
        if volume is None:
            if delayed:
                self._recorder.event(claim, "Normal", "WaitForFirstConsumer", _DELAYED)
            return self._tell_claim(claim, {"phase": "Pending"}) if not claim.status.phase else ""
        self._bind(volume, claim)
        return f"bound to {volume.metadata.name}"

    def _bind(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> None:
        """Raises Conflict when either was changed meanwhile. What changes brings both back into the queues."""
        meta = claim.metadata
        if volume.spec.claim_ref is None or not volume.spec.claim_ref.uid:
            reference = ObjectReference(
                api_version="v1", kind="PersistentVolumeClaim", namespace=meta.namespace, name=meta.name, uid=meta.uid
            )
            patch = _guarded(volume, {"spec": {"claimRef": plain(reference)}})
            self._client.patch(PersistentVolume, volume.metadata.name, "", patch, form="merge")
        if not claim.spec.volume_name:
            patch = _guarded(claim, {"spec": {"volumeName": volume.metadata.name}})
            self._client.patch(PersistentVolumeClaim, meta.name, meta.namespace, patch, form="merge")

    def _tell_claim(self, claim: PersistentVolumeClaim, status: dict[str, Any]) -> str:
        before = plain(claim.status)
        if all(before.get(name) == value for name, value in status.items()):
            return ""
        meta = claim.metadata
        patch = _guarded(claim, {"status": status})
        self._client.patch(PersistentVolumeClaim, meta.name, meta.namespace, patch, subresource="status", form="merge")
        return f"is {status['phase']}"

    # Volumes.

    def reconcile_volume(self, key: Key) -> str:
        volume = self._volumes.get(*key)
        if volume is None:
            return ""
        phase = self._phase(volume)
        if volume.status.phase == phase:
            return ""
        patch = _guarded(volume, {"status": {"phase": phase}})
        self._client.patch(PersistentVolume, volume.metadata.name, "", patch, subresource="status", form="merge")
        return f"is {phase}"

    def _phase(self, volume: PersistentVolume) -> str:
        reference = volume.spec.claim_ref
        if reference is None or not reference.uid:
            return "Available"
        claim = self._claims.get(reference.namespace, reference.name)
        return "Bound" if claim is not None and claim.metadata.uid == reference.uid else "Released"


def _as_bound(volume: PersistentVolume) -> dict[str, Any]:
    return {
        "phase": "Bound",
        "accessModes": volume.spec.access_modes,
        "capacity": {name: str(amount) for name, amount in volume.spec.capacity.items()},
    }


def _guarded(item: PersistentVolume | PersistentVolumeClaim, patch: dict[str, Any]) -> dict[str, Any]:
    """Refused when the object is not any more what was looked at."""
    meta = {"uid": item.metadata.uid, "resourceVersion": item.metadata.resource_version}
    return {"metadata": meta, **patch}

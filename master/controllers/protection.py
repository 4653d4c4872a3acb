"""Protection of storage in use: takes the finalizers off claims and volumes that are to go, once nobody needs them.

A claim is needed by every pod that has a node, also by one that has ended: its node may not have let go of it yet. A
volume is needed while it is bound. Before a claim goes, the API server itself is asked for its pods: a slow watch must
not cost anyone his data. What was made before there were finalizers is given one.
"""

from collections.abc import Callable

from api.claiming import PROTECTION, claim_of
from api.core import PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import NotFound
from client import Client
from master.controllers.informers import BY_NAMESPACE, Informers
from master.controllers.loop import Key, Loop

Storage = PersistentVolume | PersistentVolumeClaim


class StorageProtection:
    """Two loops: one over claims, one over volumes."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._pods, self._claims, self._volumes = informers.pods, informers.claims, informers.volumes
        self._of_claims = Loop("pvc-protection", self.reconcile_claim)
        self._of_volumes = Loop("pv-protection", self.reconcile_volume)
        self.loops = (self._of_claims, self._of_volumes)
        self._of_claims.follow(self._claims)
        self._of_volumes.follow(self._volumes)
        self._pods.add_listener(self._pod_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is None or new is not None:
            return
        for name in _claims_of(old):
            self._of_claims.queue.add((old.metadata.namespace, name))

    def reconcile_claim(self, key: Key) -> str:
        claim = self._claims.get(*key)
        if claim is None:
            return ""
        return self._keep(claim, lambda: self._is_used(*key))

    def reconcile_volume(self, key: Key) -> str:
        volume = self._volumes.get(*key)
        if volume is None:
            return ""
        return self._keep(volume, lambda: volume.status.phase == "Bound")

    def _is_used(self, namespace: str, name: str) -> bool:
        known = self._pods.indexed(BY_NAMESPACE, namespace)
        return _any_uses(known, name) or _any_uses(self._client.list(Pod, namespace).items, name)

    def _keep(self, item: Storage, is_used: Callable[[], bool]) -> str:
        """Raises Conflict when the object was changed meanwhile."""
        meta, finalizer = item.metadata, PROTECTION[type(item)]
        if meta.deletion_timestamp is None:
            return "" if finalizer in meta.finalizers else self._write(item, [*meta.finalizers, finalizer])
        if finalizer not in meta.finalizers or is_used():
            return ""
        return self._write(item, [name for name in meta.finalizers if name != finalizer])

    def _write(self, item: Storage, finalizers: list[str]) -> str:
        meta = item.metadata
        guard = {"uid": meta.uid, "resourceVersion": meta.resource_version}
        patch = {"metadata": {**guard, "finalizers": finalizers}}
        try:
            self._client.patch(type(item), meta.name, meta.namespace, patch, form="merge")
        except NotFound:
            return ""
        return f"protected {meta.name}" if meta.deletion_timestamp is None else f"let {meta.name} go"


def _claims_of(pod: Pod) -> list[str]:
    return [name for volume in pod.spec.volumes if (name := claim_of(volume, pod.metadata.name))]


def _any_uses(pods: list[Pod], claim: str) -> bool:
    return any(pod.spec.node_name and claim in _claims_of(pod) for pod in pods)

"""Generic ephemeral volumes: makes the claim ``POD-VOLUME`` for each, owned by the pod and so collected with it.

A claim of that name which is not the pod's own is left alone, and an event says why the pod does not start.
Source: k8s.io/kubernetes, pkg/controller/volume/ephemeral.
"""

from api.claiming import claim_of, foreign
from api.core import PersistentVolumeClaim, Pod, Volume
from api.errors import AlreadyExists, ApiError, Conflict
from api.meta import ObjectMeta
from client import Client, EventRecorder
from master.controllers.informers import Informers
from master.controllers.loop import Key, Loop
from master.controllers.ownership import controller_of, reference


class EphemeralVolumes:
    """Keys of its queue: the pods that have such volumes."""

    name = "ephemeral_volume"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder
        self._pods, self._claims = informers.pods, informers.claims
        self.loop = Loop(self.name, self.reconcile)
        self._pods.add_listener(self._pod_changed)
        self._claims.add_listener(self._claim_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """Volumes of a pod do not change: a new one is enough."""
        if old is None and new is not None and any(volume.ephemeral for volume in new.spec.volumes):
            self.loop.queue.add((new.metadata.namespace, new.metadata.name))

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """One that is gone is made again for a pod that is still there."""
        owner = controller_of(old) if old is not None and new is None else None
        if old is not None and owner is not None and owner.kind == "Pod":
            self.loop.queue.add((old.metadata.namespace, owner.name))

    def reconcile(self, key: Key) -> str:
        """Raises Conflict, to be tried again, while a claim is not the pod's own."""
        pod = self._pods.get(*key)
        if pod is None or pod.metadata.deletion_timestamp is not None:
            return ""
        made = [self._reconciled(pod, volume) for volume in pod.spec.volumes if volume.ephemeral is not None]
        return f"claimed {names}" if (names := ", ".join(name for name in made if name)) else ""

    def _reconciled(self, pod: Pod, volume: Volume) -> str:
        """The claim's name when it was made."""
        try:
            return self._made(pod, volume)
        except ApiError as error:
            self._recorder.event(pod, "Warning", "FailedBinding", f"ephemeral volume {volume.name}: {error}")
            raise

    def _made(self, pod: Pod, volume: Volume) -> str:
        meta = pod.metadata
        name = claim_of(volume, meta.name)
        found = self._claims.get(meta.namespace, name)
        if found is None:
            try:
                self._client.create(_claim(pod, volume))
            except AlreadyExists:
                found = self._client.get(PersistentVolumeClaim, name, meta.namespace)
            else:
                return name
        if wrong := foreign(found, meta.namespace, meta.name, meta.uid):
            raise Conflict(wrong)
        return ""


def _claim(pod: Pod, volume: Volume) -> PersistentVolumeClaim:
    source = volume.ephemeral
    assert source is not None
    template = source.volume_claim_template
    assert template is not None, "required"
    assert template.spec is not None, "required"
    given = template.metadata or ObjectMeta()
    meta = ObjectMeta(
        name=claim_of(volume, pod.metadata.name),
        namespace=pod.metadata.namespace,
        labels=given.labels,
        annotations=given.annotations,
        owner_references=[reference(pod)],
    )
    return PersistentVolumeClaim(metadata=meta, spec=template.spec)

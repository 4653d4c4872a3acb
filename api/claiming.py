"""Which volume is for which claim, and what keeps both while they are in use. Pure; whoever asks is told the same."""

from collections.abc import Iterable
from decimal import Decimal

from api.core import PersistentVolume, PersistentVolumeClaim, Pod, Volume
from api.meta import Object
from api.scalars import Quantity
from api.selectors import from_label_selector
from api.storage import StorageClass

SELECTED_NODE = "volume.kubernetes.io/selected-node"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
PROTECTION: dict[type[Object], str] = {
    PersistentVolume: "kubernetes.io/pv-protection",
    PersistentVolumeClaim: "kubernetes.io/pvc-protection",
}
"""The finalizer that keeps an object which is in use."""
_NOTHING = Quantity("0")


def claim_of(volume: Volume, pod: str) -> str:
    """Name of the claim behind a volume of the pod of that name; empty for another kind. A generic ephemeral volume has
    one of its own, of a name that follows from both.
    """
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod}-{volume.name}" if volume.ephemeral is not None else ""


def own_claims(pod: Pod) -> list[str]:
    """The claims that are made for this pod alone."""
    return [claim_of(volume, pod.metadata.name) for volume in pod.spec.volumes if volume.ephemeral is not None]


def foreign(claim: PersistentVolumeClaim, namespace: str, pod: str, uid: str) -> str:
    """What is wrong with a claim that should be the pod's own, in Kubernetes' words; empty when it is."""
    if any(owner.controller and (owner.name, owner.uid) == (pod, uid) for owner in claim.metadata.owner_references):
        return ""
    meta = claim.metadata
    return f"PVC {meta.namespace}/{meta.name} was not created for pod {namespace}/{pod} (pod is not owner)"


def waits_for_consumer(found: StorageClass | None) -> bool:
    """Whether claims of the class are bound only when a pod wants them, for the node where it will run."""
    return found is not None and found.volume_binding_mode == "WaitForFirstConsumer"


def fits(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether a volume that nobody else has is what the claim asks for."""
    spec, wish = volume.spec, claim.spec
    if spec.claim_ref is not None and not is_for(volume, claim):
        return False
    if volume.metadata.deletion_timestamp is not None:
        return False
    if spec.storage_class_name != (wish.storage_class_name or ""):
        return False
    if (spec.volume_mode or "Filesystem") != (wish.volume_mode or "Filesystem"):
        return False
    if not set(wish.access_modes) <= set(spec.access_modes) or size(volume) < _asked(claim):
        return False
    return wish.selector is None or from_label_selector(wish.selector).matches(volume.metadata.labels)


def is_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is kept for this very claim. Without a uid it was reserved by hand, by name."""
    reference = volume.spec.claim_ref
    if reference is None:
        return False
    named = (reference.namespace, reference.name) == (claim.metadata.namespace, claim.metadata.name)
    return named and reference.uid in ("", claim.metadata.uid)


def fitting(claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume]) -> list[PersistentVolume]:
    """The volumes that fit, best first: one that was reserved for the claim, then the smallest. The name settles a
    tie.
    """
    wanted = claim.spec.volume_name
    found = [one for one in volumes if fits(one, claim) and wanted in ("", one.metadata.name)]
    return sorted(found, key=lambda one: (not is_for(one, claim), size(one), one.metadata.name))


def size(volume: PersistentVolume) -> Decimal:
    return volume.spec.capacity.get("storage", _NOTHING).value


def _asked(claim: PersistentVolumeClaim) -> Decimal:
    resources = claim.spec.resources
    return (resources.requests.get("storage", _NOTHING) if resources is not None else _NOTHING).value

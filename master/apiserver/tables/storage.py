"""Persistent volumes and claims."""

from datetime import datetime
from typing import Any

from api.core import PersistentVolume, PersistentVolumeClaim
from api.storage import CSIDriver, CSINode, StorageClass
from master.apiserver.tables.cells import UNSET, age
from master.apiserver.tables.column import AGE, NAME, Column, TableShape, wide

_SHORT = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_CLASS = "volume.beta.kubernetes.io/storage-class"


def _volume(volume: PersistentVolume, now: datetime) -> list[Any]:
    spec, claim = volume.spec, volume.spec.claim_ref
    return [
        volume.metadata.name,
        str(spec.capacity.get("storage", "")),
        _modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        _phase(volume),
        f"{claim.namespace}/{claim.name}" if claim is not None else "",
        volume.metadata.annotations.get(_CLASS, spec.storage_class_name),
        UNSET,
        volume.status.reason,
        age(volume.metadata.creation_timestamp, now),
        spec.volume_mode or UNSET,
    ]


def _claim(claim: PersistentVolumeClaim, now: datetime) -> list[Any]:
    spec, status = claim.spec, claim.status
    bound = bool(spec.volume_name)
    return [
        claim.metadata.name,
        _phase(claim),
        spec.volume_name,
        str(status.capacity.get("storage", "0")) if bound else "",
        _modes(status.access_modes) if bound else "",
        claim.metadata.annotations.get(_CLASS, spec.storage_class_name or ""),
        UNSET,
        age(claim.metadata.creation_timestamp, now),
        spec.volume_mode or UNSET,
    ]


def _modes(modes: list[str]) -> str:
    return ",".join(_SHORT[mode] for mode in _SHORT if mode in modes)


def _phase(item: PersistentVolume | PersistentVolumeClaim) -> str:
    return "Terminating" if item.metadata.deletion_timestamp is not None else item.status.phase


_ATTRIBUTES = Column("VolumeAttributesClass", "Class of the volume's attributes.")
_MODE = wide("VolumeMode", "Filesystem or Block.")

VOLUME = TableShape(
    (
        NAME,
        Column("Capacity", "How much it holds."),
        Column("Access Modes", "How it can be mounted."),
        Column("Reclaim Policy", "What happens when its claim is gone."),
        Column("Status", "Available, Bound, Released or Failed."),
        Column("Claim", "Namespace and name of the claim that has it."),
        Column("StorageClass", "Its class."),
        _ATTRIBUTES,
        Column("Reason", "Why it is as it is."),
        AGE,
        _MODE,
    ),
    _volume,
)
CLAIM = TableShape(
    (
        NAME,
        Column("Status", "Pending, Bound or Lost."),
        Column("Volume", "The volume it is bound to."),
        Column("Capacity", "How much the volume holds."),
        Column("Access Modes", "How the volume can be mounted."),
        Column("StorageClass", "Class that is wanted."),
        _ATTRIBUTES,
        AGE,
        _MODE,
    ),
    _claim,
)


def _class(item: StorageClass, now: datetime) -> list[Any]:
    default = item.metadata.annotations.get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        f"{item.metadata.name} (default)" if default else item.metadata.name,
        item.provisioner,
        item.reclaim_policy,
        item.volume_binding_mode,
        bool(item.allow_volume_expansion),
        age(item.metadata.creation_timestamp, now),
    ]


def _csi_node(item: CSINode, now: datetime) -> list[Any]:
    return [item.metadata.name, len(item.spec.drivers), age(item.metadata.creation_timestamp, now)]


def _csi_driver(item: CSIDriver, now: datetime) -> list[Any]:
    spec = item.spec
    audiences = ",".join(one.audience for one in spec.token_requests) or UNSET
    return [
        item.metadata.name,
        bool(spec.attach_required),
        bool(spec.pod_info_on_mount),
        bool(spec.storage_capacity),
        audiences,
        bool(spec.requires_republish),
        ",".join(spec.volume_lifecycle_modes),
        age(item.metadata.creation_timestamp, now),
    ]


STORAGE_CLASS = TableShape(
    (
        NAME,
        Column("Provisioner", "Who makes the volumes."),
        Column("ReclaimPolicy", "What becomes of a volume whose claim is gone."),
        Column("VolumeBindingMode", "When claims are bound."),
        Column("AllowVolumeExpansion", "Whether claims may grow."),
        AGE,
    ),
    _class,
)
CSI_NODE = TableShape((NAME, Column("Drivers", "How many drivers the node has.", type="integer"), AGE), _csi_node)
CSI_DRIVER = TableShape(
    (
        NAME,
        Column("AttachRequired", "Volumes are attached first.", type="boolean"),
        Column("PodInfoOnMount", "It is told of the pod.", type="boolean"),
        Column("StorageCapacity", "It says how much storage is left.", type="boolean"),
        Column("TokenRequests", "Tokens that it wants."),
        Column("RequiresRepublish", "It is called again and again.", type="boolean"),
        Column("Modes", "Kinds of volumes that it makes."),
        AGE,
    ),
    _csi_driver,
)

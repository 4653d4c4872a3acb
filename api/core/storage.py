"""PersistentVolume and PersistentVolumeClaim: storage that outlives pods."""

from typing import Annotated

import msgspec

from api.core.affinity import NodeSelector
from api.core.container import Resources
from api.core.references import ObjectReference, TypedLocalObjectReference
from api.core.volume import HostPathVolumeSource, NFSVolumeSource
from api.meta import LabelSelector, Object
from api.scalars import Time
from api.struct import F, Struct

ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")


class LocalVolumeSource(Struct):
    """A directory or device of one node."""

    path: Annotated[str, F(1, "Path on the node.", required=True)] = ""
    fs_type: Annotated[str | None, F(2, "File system of a device.")] = None


class VolumeNodeAffinity(Struct):
    """From which nodes a volume can be reached."""

    required: Annotated[NodeSelector | None, F(1, "Must hold for the node.")] = None


class PersistentVolumeSpec(Struct):
    """What a volume is."""

    capacity: Annotated[Resources, F(1, "How much it holds, under storage.", required=True)] = {}
    host_path: Annotated[HostPathVolumeSource | None, F((2, 3), "A path of the node.")] = None
    nfs: Annotated[NFSVolumeSource | None, F((2, 5), "A directory of an NFS server.")] = None
    local: Annotated[LocalVolumeSource | None, F((2, 20), "A directory or device of one node.")] = None
    access_modes: Annotated[list[str], F(3, "How it can be mounted.", required=True)] = []
    claim_ref: Annotated[ObjectReference | None, F(4, "The claim that has it.")] = None
    persistent_volume_reclaim_policy: Annotated[
        str,
        F(5, "What happens when the claim is gone.", default="Retain", enum=("Delete", "Recycle", "Retain")),
    ] = ""
    storage_class_name: Annotated[str, F(6, "Name of its class.")] = ""
    mount_options: Annotated[list[str], F(7, "Options of mount(8).")] = []
    volume_mode: Annotated[str | None, F(8, "Directory or device.", default="Filesystem", enum=_VOLUME_MODES)] = None
    node_affinity: Annotated[VolumeNodeAffinity | None, F(9, "From which nodes it can be reached.")] = None


class PersistentVolumeStatus(Struct):
    """State of a volume."""

    phase: Annotated[str, F(1, "Pending, Available, Bound, Released or Failed.")] = ""
    message: Annotated[str, F(2, "Sentence for people.")] = ""
    reason: Annotated[str, F(3, "CamelCase word for programs.")] = ""
    last_phase_transition_time: Annotated[Time | None, F(4, "When the phase changed last.")] = None


class PersistentVolume(Object):
    """A piece of storage."""

    spec: Annotated[PersistentVolumeSpec, F(2, "What it is.")] = msgspec.field(default_factory=PersistentVolumeSpec)
    status: Annotated[PersistentVolumeStatus, F(3, "Its state.")] = msgspec.field(
        default_factory=PersistentVolumeStatus
    )


class VolumeResourceRequirements(Struct):
    """How much storage is wanted."""

    limits: Annotated[Resources, F(1, "Most.")] = {}
    requests: Annotated[Resources, F(2, "Least, under storage.")] = {}


class TypedObjectReference(Struct):
    """Names an object of any kind, also in another namespace."""

    api_group: Annotated[str | None, F(1, "Group of the object.")] = None
    kind: Annotated[str, F(2, "Kind of the object.", required=True)] = ""
    name: Annotated[str, F(3, "Name of the object.", required=True)] = ""
    namespace: Annotated[str | None, F(4, "Namespace of the object.")] = None


class PersistentVolumeClaimSpec(Struct):
    """What storage is wanted."""

    access_modes: Annotated[list[str], F(1, "How it must be mountable.", required=True)] = []
    selector: Annotated[LabelSelector | None, F(4, "Labels of the volume.")] = None
    resources: Annotated[VolumeResourceRequirements | None, F(2, "How much.", required=True)] = None
    volume_name: Annotated[str, F(3, "The volume; set when it is bound.")] = ""
    storage_class_name: Annotated[str | None, F(5, "Name of the class.")] = None
    volume_mode: Annotated[str | None, F(6, "Directory or device.", default="Filesystem", enum=_VOLUME_MODES)] = None
    data_source: Annotated[TypedLocalObjectReference | None, F(7, "What it is filled from.")] = None
    data_source_ref: Annotated[TypedObjectReference | None, F(8, "What it is filled from, in any namespace.")] = None


class PersistentVolumeClaimCondition(Struct):
    """One aspect of a claim's state."""

    type: Annotated[str, F(1, "Name of the aspect.", required=True)] = ""
    status: Annotated[str, F(2, "True, False or Unknown.", required=True)] = ""
    last_probe_time: Annotated[Time | None, F(3, "When it was looked at.")] = None
    last_transition_time: Annotated[Time | None, F(4, "When the status changed last.")] = None
    reason: Annotated[str, F(5, "CamelCase word for programs.")] = ""
    message: Annotated[str, F(6, "Sentence for people.")] = ""


class PersistentVolumeClaimStatus(Struct):
    """State of a claim."""

    phase: Annotated[str, F(1, "Pending, Bound or Lost.")] = ""
    access_modes: Annotated[list[str], F(2, "How the volume can be mounted.")] = []
    capacity: Annotated[Resources, F(3, "How much the volume holds.")] = {}
    conditions: Annotated[list[PersistentVolumeClaimCondition], F(4, "Aspects.", merge_key="type")] = []


class PersistentVolumeClaim(Object):
    """A wish for storage."""

    spec: Annotated[PersistentVolumeClaimSpec, F(2, "What is wanted.")] = msgspec.field(
        default_factory=PersistentVolumeClaimSpec
    )
    status: Annotated[PersistentVolumeClaimStatus, F(3, "Its state.")] = msgspec.field(
        default_factory=PersistentVolumeClaimStatus
    )

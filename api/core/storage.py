"""PersistentVolume and PersistentVolumeClaim: storage that outlives pods."""

from typing import Annotated

import msgspec

from api.core.affinity import NodeSelector
from api.core.claim import VOLUME_MODES, PersistentVolumeClaimSpec
from api.core.foreign_persistent import (
    AzureFilePersistentVolumeSource,
    CephFSPersistentVolumeSource,
    CinderPersistentVolumeSource,
    CSIPersistentVolumeSource,
    FlexPersistentVolumeSource,
    GlusterfsPersistentVolumeSource,
    ISCSIPersistentVolumeSource,
    RBDPersistentVolumeSource,
    ScaleIOPersistentVolumeSource,
    StorageOSPersistentVolumeSource,
)
from api.core.foreign_volumes import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    FCVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from api.core.references import ObjectReference
from api.core.volume import HostPathVolumeSource, NFSVolumeSource
from api.meta import Object
from api.scalars import Resources, Time
from api.struct import F, Struct

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


class LocalVolumeSource(Struct):
    """A directory or device of one node."""

    path: Annotated[str, F(1, "Path on the node.", required=True)] = ""
    fs_type: Annotated[str | None, F(2, "File system of a device.")] = None


class VolumeNodeAffinity(Struct):
    """From which nodes a volume can be reached."""

    required: Annotated[NodeSelector | None, F(1, "Must hold for the node.")] = None


class PersistentVolumeSpec(Struct):
    """What a volume is."""

    capacity: Annotated[Resources, F(1, "How much it holds, under storage.", required=True, listed=False)] = {}
    host_path: Annotated[HostPathVolumeSource | None, F((2, 3), "A path of the node.")] = None
    nfs: Annotated[NFSVolumeSource | None, F((2, 5), "A directory of an NFS server.")] = None
    local: Annotated[LocalVolumeSource | None, F((2, 20), "A directory or device of one node.")] = None
    gce_persistent_disk: Annotated[
        GCEPersistentDiskVolumeSource | None, F((2, 1), "A persistent disk of Google Compute Engine.")
    ] = None
    aws_elastic_block_store: Annotated[AWSElasticBlockStoreVolumeSource | None, F((2, 2), "A disk of AWS EBS.")] = None
    glusterfs: Annotated[GlusterfsPersistentVolumeSource | None, F((2, 4), "A volume of GlusterFS.")] = None
    rbd: Annotated[RBDPersistentVolumeSource | None, F((2, 6), "A RADOS block device of Ceph.")] = None
    iscsi: Annotated[ISCSIPersistentVolumeSource | None, F((2, 7), "An iSCSI disk.")] = None
    cinder: Annotated[CinderPersistentVolumeSource | None, F((2, 8), "A disk of OpenStack Cinder.")] = None
    cephfs: Annotated[CephFSPersistentVolumeSource | None, F((2, 9), "A Ceph file system.")] = None
    fc: Annotated[FCVolumeSource | None, F((2, 10), "A disk behind Fibre Channel.")] = None
    flocker: Annotated[FlockerVolumeSource | None, F((2, 11), "A dataset of Flocker.")] = None
    flex_volume: Annotated[FlexPersistentVolumeSource | None, F((2, 12), "A volume of an exec based plugin.")] = None
    azure_file: Annotated[AzureFilePersistentVolumeSource | None, F((2, 13), "A share of Azure Files.")] = None
    vsphere_volume: Annotated[VsphereVirtualDiskVolumeSource | None, F((2, 14), "A disk of vSphere.")] = None
    quobyte: Annotated[QuobyteVolumeSource | None, F((2, 15), "A volume of Quobyte.")] = None
    azure_disk: Annotated[AzureDiskVolumeSource | None, F((2, 16), "A data disk of Azure.")] = None
    photon_persistent_disk: Annotated[
        PhotonPersistentDiskVolumeSource | None, F((2, 17), "A disk of Photon Controller.")
    ] = None
    portworx_volume: Annotated[PortworxVolumeSource | None, F((2, 18), "A volume of Portworx.")] = None
    scale_io: Annotated[ScaleIOPersistentVolumeSource | None, F((2, 19), "A volume of ScaleIO.")] = None
    storageos: Annotated[StorageOSPersistentVolumeSource | None, F((2, 21), "A volume of StorageOS.")] = None
    csi: Annotated[CSIPersistentVolumeSource | None, F((2, 22), "A volume of a CSI driver.")] = None
    access_modes: Annotated[list[str], F(3, "How it can be mounted.", required=True, listed=False)] = []
    claim_ref: Annotated[ObjectReference | None, F(4, "The claim that has it.")] = None
    persistent_volume_reclaim_policy: Annotated[
        str,
        F(5, "What happens when the claim is gone.", default="Retain", enum=("Delete", "Recycle", "Retain")),
    ] = ""
    storage_class_name: Annotated[str, F(6, "Name of its class.")] = ""
    mount_options: Annotated[list[str], F(7, "Options of mount(8).")] = []
    volume_mode: Annotated[str | None, F(8, "Directory or device.", default="Filesystem", enum=VOLUME_MODES)] = None
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

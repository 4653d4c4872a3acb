"""Sources of PersistentVolumes that are kept as Kubernetes keeps them, and that no node of ours can mount.

Those that are the same for a pod's volume are in foreign_volumes.
"""

from typing import Annotated

from api.core.foreign_volumes import (
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    FlexVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSDisk,
)
from api.core.references import LocalObjectReference, ObjectReference
from api.struct import F, Struct


class SecretReference(LocalObjectReference):
    """Names a Secret in any namespace."""

    namespace: Annotated[str, F(2, "Namespace of the Secret.")] = ""


class AzureFilePersistentVolumeSource(AzureFileVolumeSource):
    """A share of Azure Files, as of a PersistentVolume."""

    secret_namespace: Annotated[str | None, F(4, "Namespace of the Secret; the pod's by default.")] = None


class CSIPersistentVolumeSource(Struct):
    """A volume of a CSI driver, as of a PersistentVolume."""

    driver: Annotated[str, F(1, "Name of the driver.", required=True)] = ""
    volume_handle: Annotated[str, F(2, "The driver's name of the volume.", required=True)] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False
    fs_type: Annotated[str, F(4, "File system of the device, as ext4.")] = ""
    volume_attributes: Annotated[dict[str, str], F(5, "What the driver is told of the volume.")] = {}
    controller_publish_secret_ref: Annotated[SecretReference | None, F(6, "Secret for attaching.")] = None
    node_stage_secret_ref: Annotated[SecretReference | None, F(7, "Secret for staging on the node.")] = None
    node_publish_secret_ref: Annotated[SecretReference | None, F(8, "Secret for publishing on the node.")] = None
    controller_expand_secret_ref: Annotated[SecretReference | None, F(9, "Secret for expanding by the controller.")] = (
        None
    )
    node_expand_secret_ref: Annotated[SecretReference | None, F(10, "Secret for expanding on the node.")] = None


class CephFSPersistentVolumeSource(CephFSVolumeSource):
    """A Ceph file system, as of a PersistentVolume."""

    secret_ref: Annotated[SecretReference | None, F(5, "Secret with what proves the user.")] = None


class CinderPersistentVolumeSource(CinderVolumeSource):
    """A disk of OpenStack Cinder, as of a PersistentVolume."""

    secret_ref: Annotated[SecretReference | None, F(4, "Secret with what proves the user.")] = None


class FlexPersistentVolumeSource(FlexVolumeSource):
    """A volume of an exec based plugin, as of a PersistentVolume."""

    secret_ref: Annotated[SecretReference | None, F(3, "Secret with what proves the user.")] = None


class GlusterfsPersistentVolumeSource(GlusterfsVolumeSource):
    """A volume of GlusterFS, as of a PersistentVolume."""

    endpoints_namespace: Annotated[str | None, F(4, "Namespace of the Endpoints; the claim's by default.")] = None


class ISCSIPersistentVolumeSource(ISCSIVolumeSource):
    """An iSCSI disk, as of a PersistentVolume."""

    secret_ref: Annotated[SecretReference | None, F(10, "Secret with what proves the user.")] = None


class RBDPersistentVolumeSource(RBDVolumeSource):
    """A RADOS block device of Ceph, as of a PersistentVolume."""

    secret_ref: Annotated[SecretReference | None, F(7, "Secret with what proves the user.")] = None


class ScaleIOPersistentVolumeSource(ScaleIOVolumeSource):
    """A volume of ScaleIO, as of a PersistentVolume."""

    secret_ref: Annotated[SecretReference | None, F(3, "Secret with what proves the user.", listed=True)] = None


class StorageOSPersistentVolumeSource(StorageOSDisk):
    """A volume of StorageOS, as of a PersistentVolume."""

    secret_ref: Annotated[ObjectReference | None, F(5, "Secret with what proves the user.")] = None

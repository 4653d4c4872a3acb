"""Volumes of a pod, and how containers mount them."""

from typing import Annotated, ClassVar

from api.core.foreign_volumes import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    CSIVolumeSource,
    EphemeralVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource,
    GlusterfsVolumeSource,
    ImageVolumeSource,
    ISCSIVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from api.scalars import Int32, Int64, Quantity
from api.struct import F, Struct

_MODE = {"minimum": 0, "maximum": 0o777}


class ObjectFieldSelector(Struct):
    """Picks a field of the pod itself."""

    whole: ClassVar = True
    api_version: Annotated[str, F(1, "Version in which the path is written.", default="v1")] = ""
    field_path: Annotated[str, F(2, "Path of the field, as metadata.name.", required=True)] = ""


class ResourceFieldSelector(Struct):
    """Picks a request or limit of a container."""

    whole: ClassVar = True
    container_name: Annotated[str, F(1, "The container; needed in volumes.")] = ""
    resource: Annotated[str, F(2, "As limits.cpu or requests.memory.", required=True)] = ""
    divisor: Annotated[Quantity | None, F(3, "Unit of the answer.", default=Quantity("0"))] = None


class KeyToPath(Struct):
    """Puts one key of a ConfigMap or Secret into one file."""

    key: Annotated[str, F(1, "The key.", required=True)] = ""
    path: Annotated[str, F(2, "Relative path of the file; no '..'.", required=True, form="relative_path")] = ""
    mode: Annotated[Int32 | None, F(3, "Mode bits of the file.", **_MODE)] = None


class EmptyDirVolumeSource(Struct):
    """A directory that lives as long as the pod."""

    medium: Annotated[str, F(1, "Memory for a tmpfs; empty for the node's disk.")] = ""
    size_limit: Annotated[Quantity | None, F(2, "Most that it may hold.")] = None


_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


class HostPathVolumeSource(Struct):
    """A file or directory of the node."""

    path: Annotated[str, F(1, "Path on the node.", required=True)] = ""
    type: Annotated[str | None, F(2, "What the path must be.", default="", enum=_HOST_PATH_TYPES)] = None


class SecretVolumeSource(Struct):
    """The keys of a Secret as files."""

    secret_name: Annotated[str, F(1, "Name of the Secret.")] = ""
    items: Annotated[list[KeyToPath], F(2, "Which keys, and where; all by default.")] = []
    default_mode: Annotated[Int32 | None, F(3, "Mode bits of the files.", default=0o644, **_MODE)] = None
    optional: Annotated[bool | None, F(4, "Whether the Secret may be missing.")] = None


class ConfigMapVolumeSource(Struct):
    """The keys of a ConfigMap as files."""

    name: Annotated[str, F((1, 1), "Name of the ConfigMap.")] = ""
    items: Annotated[list[KeyToPath], F(2, "Which keys, and where; all by default.")] = []
    default_mode: Annotated[Int32 | None, F(3, "Mode bits of the files.", default=0o644, **_MODE)] = None
    optional: Annotated[bool | None, F(4, "Whether the ConfigMap may be missing.")] = None


class DownwardAPIVolumeFile(Struct):
    """A field of the pod as a file."""

    path: Annotated[str, F(1, "Relative path of the file; no '..'.", required=True, form="relative_path")] = ""
    field_ref: Annotated[ObjectFieldSelector | None, F(2, "A field of the pod.")] = None
    resource_field_ref: Annotated[ResourceFieldSelector | None, F(3, "A request or limit of a container.")] = None
    mode: Annotated[Int32 | None, F(4, "Mode bits of the file.", **_MODE)] = None


class DownwardAPIVolumeSource(Struct):
    """Fields of the pod as files."""

    items: Annotated[list[DownwardAPIVolumeFile], F(1, "The files.")] = []
    default_mode: Annotated[Int32 | None, F(2, "Mode bits of the files.", default=0o644, **_MODE)] = None


class SecretProjection(Struct):
    """The keys of a Secret, as part of a projected volume."""

    name: Annotated[str, F((1, 1), "Name of the Secret.")] = ""
    items: Annotated[list[KeyToPath], F(2, "Which keys, and where; all by default.")] = []
    optional: Annotated[bool | None, F(4, "Whether the Secret may be missing.")] = None


class ConfigMapProjection(Struct):
    """The keys of a ConfigMap, as part of a projected volume."""

    name: Annotated[str, F((1, 1), "Name of the ConfigMap.")] = ""
    items: Annotated[list[KeyToPath], F(2, "Which keys, and where; all by default.")] = []
    optional: Annotated[bool | None, F(4, "Whether the ConfigMap may be missing.")] = None


class DownwardAPIProjection(Struct):
    """Fields of the pod, as part of a projected volume."""

    items: Annotated[list[DownwardAPIVolumeFile], F(1, "The files.")] = []


class ServiceAccountTokenProjection(Struct):
    """A token of the pod's service account."""

    audience: Annotated[str, F(1, "For whom the token is; the API server by default.")] = ""
    expiration_seconds: Annotated[
        Int64 | None, F(2, "How long the token is valid.", default=3600, minimum=600, maximum=2**32)
    ] = None
    path: Annotated[str, F(3, "Relative path of the file.", required=True, form="relative_path")] = ""


class VolumeProjection(Struct):
    """One source of a projected volume."""

    secret: Annotated[SecretProjection | None, F(1, "Keys of a Secret.")] = None
    downward_api: Annotated[DownwardAPIProjection | None, F(2, "Fields of the pod.")] = None
    config_map: Annotated[ConfigMapProjection | None, F(3, "Keys of a ConfigMap.")] = None
    service_account_token: Annotated[ServiceAccountTokenProjection | None, F(4, "A token.")] = None


class ProjectedVolumeSource(Struct):
    """Several sources in one directory."""

    sources: Annotated[list[VolumeProjection], F(1, "The sources.")] = []
    default_mode: Annotated[Int32 | None, F(2, "Mode bits of the files.", default=0o644, **_MODE)] = None


class PersistentVolumeClaimVolumeSource(Struct):
    """The volume that a claim in the same namespace is bound to."""

    claim_name: Annotated[str, F(1, "Name of the claim.", required=True)] = ""
    read_only: Annotated[bool, F(2, "Mount read-only.")] = False


class NFSVolumeSource(Struct):
    """A directory of an NFS server."""

    server: Annotated[str, F(1, "Name or address of the server.", required=True)] = ""
    path: Annotated[str, F(2, "Path that the server exports.", required=True)] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False


class Volume(Struct):
    """A named directory that the pod's containers can mount; exactly one source, an emptyDir by default."""

    name: Annotated[str, F(1, "Unique in the pod.", required=True, form="dns_label")] = ""
    host_path: Annotated[HostPathVolumeSource | None, F((2, 1), "A path of the node.")] = None
    empty_dir: Annotated[EmptyDirVolumeSource | None, F((2, 2), "A directory that lives as long as the pod.")] = None
    secret: Annotated[SecretVolumeSource | None, F((2, 6), "Keys of a Secret as files.")] = None
    nfs: Annotated[NFSVolumeSource | None, F((2, 7), "A directory of an NFS server.")] = None
    persistent_volume_claim: Annotated[
        PersistentVolumeClaimVolumeSource | None, F((2, 10), "The volume of a claim.")
    ] = None
    downward_api: Annotated[DownwardAPIVolumeSource | None, F((2, 16), "Fields of the pod as files.")] = None
    config_map: Annotated[ConfigMapVolumeSource | None, F((2, 19), "Keys of a ConfigMap as files.")] = None
    projected: Annotated[ProjectedVolumeSource | None, F((2, 26), "Several sources in one directory.")] = None
    gce_persistent_disk: Annotated[
        GCEPersistentDiskVolumeSource | None, F((2, 3), "A persistent disk of Google Compute Engine.")
    ] = None
    aws_elastic_block_store: Annotated[AWSElasticBlockStoreVolumeSource | None, F((2, 4), "A disk of AWS EBS.")] = None
    git_repo: Annotated[GitRepoVolumeSource | None, F((2, 5), "A revision of a git repository.")] = None
    iscsi: Annotated[ISCSIVolumeSource | None, F((2, 8), "An iSCSI disk.")] = None
    glusterfs: Annotated[GlusterfsVolumeSource | None, F((2, 9), "A volume of GlusterFS.")] = None
    rbd: Annotated[RBDVolumeSource | None, F((2, 11), "A RADOS block device of Ceph.")] = None
    flex_volume: Annotated[FlexVolumeSource | None, F((2, 12), "A volume of an exec based plugin.")] = None
    cinder: Annotated[CinderVolumeSource | None, F((2, 13), "A disk of OpenStack Cinder.")] = None
    cephfs: Annotated[CephFSVolumeSource | None, F((2, 14), "A Ceph file system.")] = None
    flocker: Annotated[FlockerVolumeSource | None, F((2, 15), "A dataset of Flocker.")] = None
    fc: Annotated[FCVolumeSource | None, F((2, 17), "A disk behind Fibre Channel.")] = None
    azure_file: Annotated[AzureFileVolumeSource | None, F((2, 18), "A share of Azure Files.")] = None
    vsphere_volume: Annotated[VsphereVirtualDiskVolumeSource | None, F((2, 20), "A disk of vSphere.")] = None
    quobyte: Annotated[QuobyteVolumeSource | None, F((2, 21), "A volume of Quobyte.")] = None
    azure_disk: Annotated[AzureDiskVolumeSource | None, F((2, 22), "A data disk of Azure.")] = None
    photon_persistent_disk: Annotated[
        PhotonPersistentDiskVolumeSource | None, F((2, 23), "A disk of Photon Controller.")
    ] = None
    portworx_volume: Annotated[PortworxVolumeSource | None, F((2, 24), "A volume of Portworx.")] = None
    scale_io: Annotated[ScaleIOVolumeSource | None, F((2, 25), "A volume of ScaleIO.")] = None
    storageos: Annotated[StorageOSVolumeSource | None, F((2, 27), "A volume of StorageOS.")] = None
    csi: Annotated[CSIVolumeSource | None, F((2, 28), "A volume of a CSI driver.")] = None
    ephemeral: Annotated[EphemeralVolumeSource | None, F((2, 29), "A claim that lives as long as the pod.")] = None
    image: Annotated[ImageVolumeSource | None, F((2, 30), "The files of an image.")] = None


class VolumeMount(Struct):
    """Where a container sees a volume."""

    name: Annotated[str, F(1, "Name of the pod's volume.", required=True)] = ""
    read_only: Annotated[bool, F(2, "Mount read-only.")] = False
    recursive_read_only: Annotated[
        str | None,
        F(7, "Whether mounts below are read-only too.", enum=("Disabled", "IfPossible", "Enabled")),
    ] = None
    mount_path: Annotated[str, F(3, "Path in the container; no ':'.", required=True)] = ""
    sub_path: Annotated[str, F(4, "Path in the volume to mount instead of its root.", form="relative_path")] = ""
    mount_propagation: Annotated[
        str | None,
        F(5, "How later mounts are seen.", enum=("None", "HostToContainer", "Bidirectional")),
    ] = None
    sub_path_expr: Annotated[str, F(6, "As subPath, with $(VAR) expanded.")] = ""


class VolumeDevice(Struct):
    """Where a container sees a raw block device."""

    name: Annotated[str, F(1, "Name of the pod's volume.", required=True)] = ""
    device_path: Annotated[str, F(2, "Path in the container.", required=True)] = ""

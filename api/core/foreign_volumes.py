"""Sources of a pod's volumes that are kept as Kubernetes keeps them, and that no node of ours can mount.

Field names, numbers and defaults: https://github.com/kubernetes/api/blob/release-1.32/core/v1/generated.proto
"""

from typing import Annotated

from api.core.claim import PersistentVolumeClaimSpec
from api.core.references import LocalObjectReference
from api.meta import ObjectMeta
from api.scalars import Int32
from api.struct import F, Struct, always

# Absent, it is 0.
_PARTITION = {"minimum": 1, "maximum": 255}


class AWSElasticBlockStoreVolumeSource(Struct):
    """A disk of AWS EBS."""

    volume_id: Annotated[str, F(1, "Id of the volume.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    partition: Annotated[Int32, F(3, "Partition of the disk; 0 for all of it.", **_PARTITION)] = 0
    read_only: Annotated[bool, F(4, "Mount read-only.")] = False


class AzureDiskVolumeSource(Struct):
    """A data disk of Azure."""

    disk_name: Annotated[str, F(1, "Name of the disk.", required=True)] = ""
    disk_uri: Annotated[str, F(2, "URI of the disk.", required=True)] = ""
    caching_mode: Annotated[
        str | None, F(3, "How the host caches.", default="ReadWrite", enum=("None", "ReadOnly", "ReadWrite"))
    ] = None
    fs_type: Annotated[str | None, F(4, "File system of the device, as ext4.", default="ext4")] = None
    read_only: Annotated[bool | None, F(5, "Mount read-only.", default=False)] = None
    kind: Annotated[
        str | None, F(6, "What kind of disk it is.", default="Shared", enum=("Dedicated", "Managed", "Shared"))
    ] = None


class AzureFileVolumeSource(Struct):
    """A share of Azure Files."""

    secret_name: Annotated[str, F(1, "Secret with the account's name and key.", required=True)] = ""
    share_name: Annotated[str, F(2, "Name of the share.", required=True)] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False


class CSIVolumeSource(Struct):
    """A volume of a CSI driver."""

    driver: Annotated[str, F(1, "Name of the driver.", required=True)] = ""
    read_only: Annotated[bool | None, F(2, "Mount read-only.")] = None
    fs_type: Annotated[str | None, F(3, "File system of the device, as ext4.")] = None
    volume_attributes: Annotated[dict[str, str], F(4, "What the driver is told of the volume.")] = {}
    node_publish_secret_ref: Annotated[LocalObjectReference | None, F(5, "Secret for publishing on the node.")] = None


class CephFSVolumeSource(Struct):
    """A Ceph file system."""

    monitors: Annotated[list[str], F(1, "Addresses of the Ceph monitors.", required=True)] = []
    path: Annotated[str, F(2, "Path in the volume.")] = ""
    user: Annotated[str, F(3, "User that mounts.")] = ""
    secret_file: Annotated[str, F(4, "File with the key of the user.")] = ""
    secret_ref: Annotated[LocalObjectReference | None, F(5, "Secret with what proves the user.")] = None
    read_only: Annotated[bool, F(6, "Mount read-only.")] = False


class CinderVolumeSource(Struct):
    """A disk of OpenStack Cinder."""

    volume_id: Annotated[str, F(1, "Id of the volume.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False
    secret_ref: Annotated[LocalObjectReference | None, F(4, "Secret with what proves the user.")] = None


class FCVolumeSource(Struct):
    """A disk behind Fibre Channel."""

    target_wwns: Annotated[list[str], F(1, "World wide names of the targets.")] = []
    lun: Annotated[Int32 | None, F(2, "Number of the logical unit.")] = None
    fs_type: Annotated[str, F(3, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(4, "Mount read-only.")] = False
    wwids: Annotated[list[str], F(5, "World wide ids of the volume.")] = []


class FlexVolumeSource(Struct):
    """A volume of an exec based plugin."""

    driver: Annotated[str, F(1, "Name of the driver.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    secret_ref: Annotated[LocalObjectReference | None, F(3, "Secret with what proves the user.")] = None
    read_only: Annotated[bool, F(4, "Mount read-only.")] = False
    options: Annotated[dict[str, str], F(5, "Further options of the driver.")] = {}


class FlockerVolumeSource(Struct):
    """A dataset of Flocker."""

    dataset_name: Annotated[str, F(1, "Name of the dataset.")] = ""
    dataset_uuid: Annotated[str, F(2, "UUID of the dataset.")] = ""


class GCEPersistentDiskVolumeSource(Struct):
    """A persistent disk of Google Compute Engine."""

    pd_name: Annotated[str, F(1, "Name of the disk.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    partition: Annotated[Int32, F(3, "Partition of the disk; 0 for all of it.", **_PARTITION)] = 0
    read_only: Annotated[bool, F(4, "Mount read-only.")] = False


class GitRepoVolumeSource(Struct):
    """A revision of a git repository."""

    repository: Annotated[str, F(1, "URL of the repository.", required=True)] = ""
    revision: Annotated[str, F(2, "The commit.")] = ""
    directory: Annotated[str, F(3, "Where it goes in the volume; no '..'.", form="relative_path")] = ""


class GlusterfsVolumeSource(Struct):
    """A volume of GlusterFS."""

    endpoints: Annotated[str, F(1, "Name of the Endpoints of the servers.", required=True)] = ""
    path: Annotated[str, F(2, "Path in the volume.", required=True)] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False


class ISCSIVolumeSource(Struct):
    """An iSCSI disk."""

    target_portal: Annotated[str, F(1, "Address of the target, with a port if it is not 3260.", required=True)] = ""
    iqn: Annotated[str, F(2, "Qualified name of the target.", required=True)] = ""
    lun: Annotated[Int32, F(3, "Number of the logical unit.", minimum=0, maximum=255, listed=True)] = always(int)
    iscsi_interface: Annotated[str, F(4, "Transport.", default="default")] = ""
    fs_type: Annotated[str, F(5, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(6, "Mount read-only.")] = False
    portals: Annotated[list[str], F(7, "Further addresses of the target.")] = []
    chap_auth_discovery: Annotated[bool, F(8, "Whether discovery uses CHAP.")] = False
    chap_auth_session: Annotated[bool, F(11, "Whether the session uses CHAP.")] = False
    secret_ref: Annotated[LocalObjectReference | None, F(10, "Secret with what proves the user.")] = None
    initiator_name: Annotated[str | None, F(12, "Qualified name of this side.")] = None


class PhotonPersistentDiskVolumeSource(Struct):
    """A disk of Photon Controller."""

    pd_id: Annotated[str, F(1, "Id of the disk.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""


class PortworxVolumeSource(Struct):
    """A volume of Portworx."""

    volume_id: Annotated[str, F(1, "Id of the volume.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False


class QuobyteVolumeSource(Struct):
    """A volume of Quobyte."""

    registry: Annotated[str, F(1, "Addresses of the registries, as host:port,host:port.", required=True)] = ""
    volume: Annotated[str, F(2, "Name of the volume.", required=True)] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False
    user: Annotated[str, F(4, "User that mounts.")] = ""
    group: Annotated[str, F(5, "Group that mounts.")] = ""
    tenant: Annotated[str, F(6, "Tenant that owns the volume.")] = ""


class RBDVolumeSource(Struct):
    """A RADOS block device of Ceph."""

    monitors: Annotated[list[str], F(1, "Addresses of the Ceph monitors.", required=True)] = []
    image: Annotated[str, F(2, "Name of the image.", required=True)] = ""
    fs_type: Annotated[str, F(3, "File system of the device, as ext4.")] = ""
    pool: Annotated[str, F(4, "Pool of the image.", default="rbd")] = ""
    user: Annotated[str, F(5, "User that mounts.", default="admin")] = ""
    keyring: Annotated[str, F(6, "Path of the key ring.", default="/etc/ceph/keyring")] = ""
    secret_ref: Annotated[LocalObjectReference | None, F(7, "Secret with what proves the user.")] = None
    read_only: Annotated[bool, F(8, "Mount read-only.")] = False


class ScaleIOVolumeSource(Struct):
    """A volume of ScaleIO."""

    gateway: Annotated[str, F(1, "Address of the gateway.", required=True)] = ""
    system: Annotated[str, F(2, "Name of the storage system.", required=True)] = ""
    secret_ref: Annotated[LocalObjectReference | None, F(3, "Secret with what proves the user.", listed=True)] = None
    ssl_enabled: Annotated[bool, F(4, "Whether the gateway is spoken to by TLS.")] = False
    protection_domain: Annotated[str, F(5, "Name of the protection domain.")] = ""
    storage_pool: Annotated[str, F(6, "Storage pool of the protection domain.")] = ""
    storage_mode: Annotated[str, F(7, "ThickProvisioned or ThinProvisioned.", default="ThinProvisioned")] = ""
    volume_name: Annotated[str, F(8, "Name of the volume.", required=True, listed=False)] = ""
    fs_type: Annotated[str, F(9, "File system of the device, as ext4.", default="xfs")] = ""
    read_only: Annotated[bool, F(10, "Mount read-only.")] = False


class StorageOSDisk(Struct):
    """A volume of StorageOS, whoever its Secret belongs to."""

    volume_name: Annotated[str, F(1, "Name of the volume.", required=True, form="dns_label", listed=False)] = ""
    volume_namespace: Annotated[str, F(2, "Scope of the volume; the pod's namespace by default.", form="dns_label")] = (
        ""
    )
    fs_type: Annotated[str, F(3, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(4, "Mount read-only.")] = False


class StorageOSVolumeSource(StorageOSDisk):
    """A volume of StorageOS."""

    secret_ref: Annotated[LocalObjectReference | None, F(5, "Secret with what proves the user.")] = None


class VsphereVirtualDiskVolumeSource(Struct):
    """A disk of vSphere."""

    volume_path: Annotated[str, F(1, "Path of the disk.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    storage_policy_name: Annotated[str, F(3, "Name of its storage profile.")] = ""
    storage_policy_id: Annotated[str, F(4, "Id of its storage profile.")] = ""


class ImageVolumeSource(Struct):
    """The files of an image."""

    reference: Annotated[str, F(1, "Name of the image.")] = ""
    pull_policy: Annotated[
        str, F(2, "When the image is pulled; as for a container's.", enum=("Always", "IfNotPresent", "Never"))
    ] = ""


class PersistentVolumeClaimTemplate(Struct):
    """What a claim is made of that lives as long as its pod."""

    metadata: Annotated[ObjectMeta | None, F(1, "Labels and annotations of the claim.")] = None
    spec: Annotated[PersistentVolumeClaimSpec | None, F(2, "What is wanted.", required=True)] = None


class EphemeralVolumeSource(Struct):
    """A claim that lives as long as the pod."""

    volume_claim_template: Annotated[
        PersistentVolumeClaimTemplate | None, F(1, "What the claim is made of.", required=True, listed=False)
    ] = None

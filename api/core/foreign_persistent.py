"""Sources of PersistentVolumes that are kept as Kubernetes keeps them, and that no node of ours can mount.

Those that are the same for a pod's volume are in foreign_volumes.
"""

from typing import Annotated

from api.core.references import ObjectReference
from api.scalars import Int32
from api.struct import F, Struct, always


class SecretReference(Struct):
    """Names a Secret in any namespace."""

    name: Annotated[str, F(1, "Name of the Secret.")] = ""
    namespace: Annotated[str, F(2, "Namespace of the Secret.")] = ""


class AzureFilePersistentVolumeSource(Struct):
    """A share of Azure Files, as of a PersistentVolume."""

    secret_name: Annotated[str, F(1, "Secret with the account's name and key.", required=True)] = ""
    share_name: Annotated[str, F(2, "Name of the share.", required=True)] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False
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


class CephFSPersistentVolumeSource(Struct):
    """A Ceph file system, as of a PersistentVolume."""

    monitors: Annotated[list[str], F(1, "Addresses of the Ceph monitors.", required=True)] = []
    path: Annotated[str, F(2, "Path in the volume.")] = ""
    user: Annotated[str, F(3, "User that mounts.")] = ""
    secret_file: Annotated[str, F(4, "File with the key of the user.")] = ""
    secret_ref: Annotated[SecretReference | None, F(5, "Secret with what proves the user.")] = None
    read_only: Annotated[bool, F(6, "Mount read-only.")] = False


class CinderPersistentVolumeSource(Struct):
    """A disk of OpenStack Cinder, as of a PersistentVolume."""

    volume_id: Annotated[str, F(1, "Id of the volume.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False
    secret_ref: Annotated[SecretReference | None, F(4, "Secret with what proves the user.")] = None


class FlexPersistentVolumeSource(Struct):
    """A volume of an exec based plugin, as of a PersistentVolume."""

    driver: Annotated[str, F(1, "Name of the driver.", required=True)] = ""
    fs_type: Annotated[str, F(2, "File system of the device, as ext4.")] = ""
    secret_ref: Annotated[SecretReference | None, F(3, "Secret with what proves the user.")] = None
    read_only: Annotated[bool, F(4, "Mount read-only.")] = False
    options: Annotated[dict[str, str], F(5, "Further options of the driver.")] = {}


class GlusterfsPersistentVolumeSource(Struct):
    """A volume of GlusterFS, as of a PersistentVolume."""

    endpoints: Annotated[str, F(1, "Name of the Endpoints of the servers.", required=True)] = ""
    path: Annotated[str, F(2, "Path in the volume.", required=True)] = ""
    read_only: Annotated[bool, F(3, "Mount read-only.")] = False
    endpoints_namespace: Annotated[str | None, F(4, "Namespace of the Endpoints; the claim's by default.")] = None


class ISCSIPersistentVolumeSource(Struct):
    """An iSCSI disk, as of a PersistentVolume."""

    target_portal: Annotated[str, F(1, "Address of the target, with a port if it is not 3260.", required=True)] = ""
    iqn: Annotated[str, F(2, "Qualified name of the target.", required=True)] = ""
    lun: Annotated[Int32, F(3, "Number of the logical unit.", minimum=0, maximum=255)] = always(int)
    iscsi_interface: Annotated[str, F(4, "Transport.", default="default")] = ""
    fs_type: Annotated[str, F(5, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(6, "Mount read-only.")] = False
    portals: Annotated[list[str], F(7, "Further addresses of the target.")] = []
    chap_auth_discovery: Annotated[bool, F(8, "Whether discovery uses CHAP.")] = False
    chap_auth_session: Annotated[bool, F(11, "Whether the session uses CHAP.")] = False
    secret_ref: Annotated[SecretReference | None, F(10, "Secret with what proves the user.")] = None
    initiator_name: Annotated[str | None, F(12, "Qualified name of this side.")] = None


class RBDPersistentVolumeSource(Struct):
    """A RADOS block device of Ceph, as of a PersistentVolume."""

    monitors: Annotated[list[str], F(1, "Addresses of the Ceph monitors.", required=True)] = []
    image: Annotated[str, F(2, "Name of the image.", required=True)] = ""
    fs_type: Annotated[str, F(3, "File system of the device, as ext4.")] = ""
    pool: Annotated[str, F(4, "Pool of the image.", default="rbd")] = ""
    user: Annotated[str, F(5, "User that mounts.", default="admin")] = ""
    keyring: Annotated[str, F(6, "Path of the key ring.", default="/etc/ceph/keyring")] = ""
    secret_ref: Annotated[SecretReference | None, F(7, "Secret with what proves the user.")] = None
    read_only: Annotated[bool, F(8, "Mount read-only.")] = False


class ScaleIOPersistentVolumeSource(Struct):
    """A volume of ScaleIO, as of a PersistentVolume."""

    gateway: Annotated[str, F(1, "Address of the gateway.", required=True)] = ""
    system: Annotated[str, F(2, "Name of the storage system.", required=True)] = ""
    secret_ref: Annotated[SecretReference | None, F(3, "Secret with what proves the user.")] = None
    ssl_enabled: Annotated[bool, F(4, "Whether the gateway is spoken to by TLS.")] = False
    protection_domain: Annotated[str, F(5, "Name of the protection domain.")] = ""
    storage_pool: Annotated[str, F(6, "Storage pool of the protection domain.")] = ""
    storage_mode: Annotated[str, F(7, "ThickProvisioned or ThinProvisioned.", default="ThinProvisioned")] = ""
    volume_name: Annotated[str, F(8, "Name of the volume.", required=True)] = ""
    fs_type: Annotated[str, F(9, "File system of the device, as ext4.", default="xfs")] = ""
    read_only: Annotated[bool, F(10, "Mount read-only.")] = False


class StorageOSPersistentVolumeSource(Struct):
    """A volume of StorageOS, as of a PersistentVolume."""

    volume_name: Annotated[str, F(1, "Name of the volume.", required=True, form="dns_label")] = ""
    volume_namespace: Annotated[str, F(2, "Scope of the volume; the pod's namespace by default.", form="dns_label")] = (
        ""
    )
    fs_type: Annotated[str, F(3, "File system of the device, as ext4.")] = ""
    read_only: Annotated[bool, F(4, "Mount read-only.")] = False
    secret_ref: Annotated[ObjectReference | None, F(5, "Secret with what proves the user.")] = None

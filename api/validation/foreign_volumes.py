"""Sources of volumes that no node of ours can mount: what depends on more than one field, as Kubernetes judges it."""

import re
from collections.abc import Iterator
from typing import Any, Final

from api.core import PersistentVolumeSpec, Volume
from api.core.foreign_persistent import CSIPersistentVolumeSource, SecretReference
from api.core.foreign_volumes import AzureDiskVolumeSource, CSIVolumeSource, FCVolumeSource, FlockerVolumeSource
from api.core.references import LocalObjectReference, ObjectReference
from api.errors import FieldError, invalid, not_supported, required
from api.formats import dns_label, dns_subdomain

_INITIATORS: Final = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([a-z0-9-.]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"eui\.[0-9A-Fa-f]{16}"),
    "naa": re.compile(r"naa\.[0-9A-Fa-f]{32}"),
}
_MANAGED_URI: Final = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_URI: Final = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_RESERVED: Final = (".kubernetes.io", ".k8s.io")
_LUNS: Final = range(256)


def foreign_errors(holder: Volume | PersistentVolumeSpec, path: str) -> Iterator[FieldError]:
    """Of the sources that both a pod's volume and a PersistentVolume can have."""
    if holder.iscsi is not None:
        yield from _iscsi_errors(holder.iscsi, f"{path}.iscsi")
    if holder.fc is not None:
        yield from _fc_errors(holder.fc, f"{path}.fc")
    if holder.flocker is not None:
        yield from _flocker_errors(holder.flocker, f"{path}.flocker")
    if holder.azure_disk is not None:
        yield from _azure_errors(holder.azure_disk, f"{path}.azureDisk")
    if holder.csi is not None:
        yield from _csi_errors(holder.csi, f"{path}.csi")
    if holder.flex_volume is not None:
        for key in holder.flex_volume.options:
            if f".{key.partition('/')[0].lower()}".endswith(_RESERVED):
                why = "kubernetes.io and k8s.io namespaces are reserved"
                yield invalid(f"{path}.flexVolume.options[{key}]", key, why)
    for name, named in (("cinder", holder.cinder), ("storageos", holder.storageos), ("iscsi", holder.iscsi)):
        if named is not None and named.secret_ref is not None:
            yield from _reference_errors(name, named.secret_ref, f"{path}.{name}.secretRef")


def _reference_errors(name: str, secret: LocalObjectReference | ObjectReference, path: str) -> Iterator[FieldError]:
    """A pod may leave out the Secret of an iSCSI disk; PersistentVolumes say its namespace, but for that."""
    namespaced = isinstance(secret, (SecretReference, ObjectReference))
    if not secret.name and (namespaced or name != "iscsi"):
        yield required(f"{path}.name")
    if isinstance(secret, (SecretReference, ObjectReference)) and name != "iscsi" and not secret.namespace:
        yield required(f"{path}.namespace")


def _iscsi_errors(source: Any, path: str) -> Iterator[FieldError]:
    """Of either of the two iSCSI sources, which differ in the type of secretRef."""
    if source.iqn:
        yield from _initiator_errors(source.iqn, f"{path}.iqn")
    if (source.chap_auth_discovery or source.chap_auth_session) and source.secret_ref is None:
        yield required(f"{path}.secretRef")
    if source.initiator_name is not None:
        yield from _initiator_errors(source.initiator_name, f"{path}.initiatorname")


def _initiator_errors(name: str, path: str) -> Iterator[FieldError]:
    pattern = _INITIATORS.get(name[:3])
    if pattern is None:
        yield invalid(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not pattern.match(name):
        yield invalid(path, name, "must be valid format")


def _fc_errors(source: FCVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.target_wwns and not source.wwids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if source.target_wwns and source.wwids:
        why = "targetWWNs and wwids can not be specified simultaneously"
        yield invalid(f"{path}.targetWWNs", source.target_wwns, why)
    if source.target_wwns and source.lun is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif source.target_wwns and source.lun not in _LUNS:
        yield invalid(f"{path}.lun", source.lun, "must be between 0 and 255, inclusive")


def _flocker_errors(source: FlockerVolumeSource, path: str) -> Iterator[FieldError]:
    if not source.dataset_name and not source.dataset_uuid:
        yield required(path, "one of datasetName and datasetUUID is required")
    if source.dataset_name and source.dataset_uuid:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.dataset_name:
        yield invalid(f"{path}.datasetName", source.dataset_name, "must not contain '/'")


def _azure_errors(source: AzureDiskVolumeSource, path: str) -> Iterator[FieldError]:
    managed = source.kind == "Managed"
    if not source.disk_uri.startswith("/subscriptions/" if managed else "https://"):
        yield not_supported(f"{path}.diskURI", source.disk_uri, (_MANAGED_URI if managed else _BLOB_URI,))


def _csi_errors(source: CSIVolumeSource | CSIPersistentVolumeSource, path: str) -> Iterator[FieldError]:
    if len(source.driver) > 63:
        yield FieldError(f"{path}.driver", "FieldValueTooLong", "Too long: may not be more than 63 bytes")
    if source.driver and (wrong := dns_subdomain(source.driver.lower())):
        yield invalid(f"{path}.driver", source.driver, wrong)
    if isinstance(source, CSIVolumeSource):
        secret = source.node_publish_secret_ref
        if secret is not None and not secret.name:
            yield required(f"{path}.nodePublishSecretRef.name")
        elif secret is not None and (wrong := dns_subdomain(secret.name)):
            yield invalid(f"{path}.name", secret.name, wrong)
        return
    for name, one in (
        ("controllerPublishSecretRef", source.controller_publish_secret_ref),
        ("controllerExpandSecretRef", source.controller_expand_secret_ref),
        ("nodePublishSecretRef", source.node_publish_secret_ref),
    ):
        if one is not None:
            yield from _secret_errors(one, f"{path}.{name}")


def _secret_errors(secret: SecretReference, path: str) -> Iterator[FieldError]:
    for name, value, rule in (("name", secret.name, dns_subdomain), ("namespace", secret.namespace, dns_label)):
        if not value:
            yield required(f"{path}.{name}")
        elif wrong := rule(value):
            yield invalid(f"{path}.{name}", value, wrong)

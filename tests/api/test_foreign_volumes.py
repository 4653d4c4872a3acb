"""Volume sources that no node of ours mounts: kept, completed and judged as Kubernetes does it."""

from typing import Any

import pytest

from api import protobuf
from api.codec import convert, decode, encode, plain
from api.core import PersistentVolume, Pod, PodSpec, Volume
from api.defaulting import VOLUME_SOURCES, apply
from api.schema import fields_of
from api.strict import unknown_fields
from api.validation import validate_create

_IQN = "iqn.2001-04.com.example:disk"
_SECRET = {"name": "s"}
# As a client sends it, and what the API server adds.
SOURCES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("awsElasticBlockStore", {"volumeID": "v", "partition": 1}, {}),
    (
        "azureDisk",
        {"diskName": "d", "diskURI": "https://a.blob.core.windows.net/c/d.vhd"},
        {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    ),
    ("azureFile", {"secretName": "s", "shareName": "n"}, {}),
    ("cephfs", {"monitors": ["m"], "secretRef": _SECRET}, {}),
    ("cinder", {"volumeID": "v", "secretRef": _SECRET}, {}),
    ("csi", {"driver": "d.example", "volumeAttributes": {"a": "b"}, "nodePublishSecretRef": _SECRET}, {}),
    ("fc", {"targetWWNs": ["w"], "lun": 0}, {}),
    ("flexVolume", {"driver": "d", "options": {"a": "b"}}, {}),
    ("flocker", {"datasetUUID": "u"}, {}),
    ("gcePersistentDisk", {"pdName": "d"}, {}),
    ("gitRepo", {"repository": "r", "revision": "a"}, {}),
    ("glusterfs", {"endpoints": "e", "path": "p"}, {}),
    ("image", {"reference": "i:1"}, {"pullPolicy": "IfNotPresent"}),
    ("iscsi", {"targetPortal": "t", "iqn": _IQN, "lun": 0}, {"iscsiInterface": "default"}),
    ("photonPersistentDisk", {"pdID": "p"}, {}),
    ("portworxVolume", {"volumeID": "v"}, {}),
    ("quobyte", {"registry": "r:1", "volume": "v"}, {}),
    (
        "rbd",
        {"monitors": ["m"], "image": "i"},
        {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    ),
    (
        "scaleIO",
        {"gateway": "g", "system": "s", "volumeName": "v", "secretRef": _SECRET},
        {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    ),
    ("storageos", {"volumeName": "v", "volumeNamespace": "n"}, {}),
    ("vsphereVolume", {"volumePath": "p", "storagePolicyID": "i"}, {}),
    (
        "ephemeral",
        {
            "volumeClaimTemplate": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }
        },
        {},
    ),
]
_ON_PODS_ALONE = ("gitRepo", "image", "ephemeral")


def _pod(*volumes: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": list(volumes)},
    }


def _persistent(**source: Any) -> dict[str, Any]:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **source}
    return {"metadata": {"name": "v"}, "spec": spec}


def _over_protobuf(item: Any) -> Any:
    kind = type(item)
    body = protobuf.unwrap(protobuf.encode(item, "v1", kind.__name__))[2]
    return convert(protobuf.decode(body, kind), kind)


def _causes(item: Any) -> list[str]:
    return [str(error) for error in validate_create(item)]


@pytest.mark.parametrize(("kind", "given", "added"), SOURCES, ids=[kind for kind, *_ in SOURCES])
def test_a_source_of_a_pod_is_kept_and_completed(kind: str, given: dict[str, Any], added: dict[str, Any]) -> None:
    document = _pod({"name": "v", kind: given})
    assert unknown_fields(document, Pod) == []
    pod = convert(document, Pod)
    apply(pod)
    assert _causes(pod) == []
    (volume,) = plain(pod.spec)["volumes"]
    if kind == "ephemeral":
        assert volume[kind]["volumeClaimTemplate"]["spec"].pop("volumeMode") == "Filesystem"
    assert volume == {"name": "v", kind: {**given, **added}}
    assert decode(encode(pod), Pod) == pod
    assert _over_protobuf(pod) == pod


@pytest.mark.parametrize(
    ("kind", "given", "added"),
    [one for one in SOURCES if one[0] not in _ON_PODS_ALONE],
    ids=[kind for kind, *_ in SOURCES if kind not in _ON_PODS_ALONE],
)
def test_so_is_one_of_a_persistent_volume(kind: str, given: dict[str, Any], added: dict[str, Any]) -> None:
    if kind == "csi":
        given = {"driver": "d.example", "volumeHandle": "h", "nodeStageSecretRef": {"name": "s", "namespace": "n"}}
    elif kind == "cinder":
        given = {**given, "secretRef": {"name": "s", "namespace": "n"}}
    document = _persistent(**{kind: given})
    assert unknown_fields(document, PersistentVolume) == []
    volume = convert(document, PersistentVolume)
    apply(volume)
    assert _causes(volume) == []
    assert plain(volume.spec)[kind] == {**given, **added}
    assert _over_protobuf(volume) == volume


def test_every_source_is_tried() -> None:
    known = {"hostPath", "emptyDir", "secret", "nfs", "persistentVolumeClaim", "downwardAPI", "configMap", "projected"}
    wires = {field.wire for field in fields_of(Volume) if field.attribute in VOLUME_SOURCES}
    assert wires - known == {kind for kind, *_ in SOURCES}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"csi": {}}, "csi.driver: Required value"),
        ({"csi": {"driver": "d", "nodePublishSecretRef": {}}}, "csi.nodePublishSecretRef.name: Required value"),
        ({"iscsi": {"iqn": _IQN}}, "iscsi.targetPortal: Required value"),
        ({"iscsi": {"targetPortal": "t"}}, "iscsi.iqn: Required value"),
        (
            {"iscsi": {"targetPortal": "t", "iqn": "x"}},
            'iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa',
        ),
        (
            {"iscsi": {"targetPortal": "t", "iqn": _IQN, "chapAuthSession": True}},
            "iscsi.secretRef: Required value",
        ),
        ({"fc": {}}, "fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"),
        ({"fc": {"targetWWNs": ["w"]}}, "fc.lun: Required value: lun is required if targetWWNs is specified"),
        ({"flocker": {}}, "flocker: Required value: one of datasetName and datasetUUID is required"),
        ({"rbd": {"image": "i"}}, "rbd.monitors: Required value"),
        ({"gcePersistentDisk": {}}, "gcePersistentDisk.pdName: Required value"),
        (
            {"flexVolume": {"driver": "d", "options": {"kubernetes.io/a": "b"}}},
            'flexVolume.options[kubernetes.io/a]: Invalid value: "kubernetes.io/a": '
            "kubernetes.io and k8s.io namespaces are reserved",
        ),
    ],
)
def test_faults_are_told_in_kubernetes_words(source: dict[str, Any], told: str) -> None:
    assert f"spec.volumes[0].{told}" in _causes(convert(_pod({"name": "v", **source}), Pod))
    assert f"spec.{told}" in _causes(convert(_persistent(**source), PersistentVolume))


def test_a_persistent_volume_names_its_secret_whole() -> None:
    """A pod's Secret is in its own namespace; a PersistentVolume has none."""
    csi = {"driver": "d", "volumeHandle": "h", "nodePublishSecretRef": {}}
    for source, field in (
        ({"csi": csi}, "csi.nodePublishSecretRef"),
        ({"cinder": {"volumeID": "v", "secretRef": {}}}, "cinder.secretRef"),
    ):
        told = _causes(convert(_persistent(**source), PersistentVolume))
        assert told == [f"spec.{field}.name: Required value", f"spec.{field}.namespace: Required value"]


def test_an_empty_directory_has_no_negative_limit() -> None:
    told = _causes(convert(_pod({"name": "v", "emptyDir": {"sizeLimit": "-1"}}), Pod))
    why = "Forbidden: SizeLimit field must be a valid resource quantity"
    assert told == [f"spec.volumes[0].emptyDir.sizeLimit: {why}"]


def test_there_is_one_source_at_most() -> None:
    two = {"glusterfs": {"endpoints": "e", "path": "p"}, "portworxVolume": {"volumeID": "v"}}
    why = "portworxVolume: Forbidden: may not specify more than 1 volume type"
    assert _causes(convert(_pod({"name": "v", **two}), Pod)) == [f"spec.volumes[0].{why}"]
    assert _causes(convert(_persistent(**two), PersistentVolume)) == [f"spec.{why}"]


def test_a_source_that_is_not_known_still_leaves_an_empty_directory() -> None:
    pod = convert(_pod({"name": "v", "new": {}}), Pod)
    apply(pod)
    assert plain(pod.spec)["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert unknown_fields(_pod({"name": "v", "new": {}}), Pod) == ["spec.volumes[0].new"]


def test_what_windows_asks_is_kept() -> None:
    windows = {"gmsaCredentialSpecName": "g", "runAsUserName": "u", "hostProcess": True}
    spec = convert({"containers": [], "securityContext": {"windowsOptions": windows}}, PodSpec)
    assert plain(spec)["securityContext"] == {"windowsOptions": windows}

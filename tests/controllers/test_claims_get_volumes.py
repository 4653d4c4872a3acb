"""Claims and volumes find each other, and stay together."""

from typing import Any

import pytest

from api.claiming import fitting
from api.codec import convert
from api.core import Event, Node, PersistentVolume, PersistentVolumeClaim, Pod
from api.storage import StorageClass
from client import Client
from tests.controllers.conftest import Start
from tests.controllers.live import Master
from tests.e2e.waiting import until
from tests.scheduler.made import node, pod
from tests.scheduler.running import join, scheduler


def _volume(name: str, size: str = "1Gi", **spec: Any) -> PersistentVolume:
    more = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}, **spec}
    return convert({"metadata": {"name": name}, "spec": more}, PersistentVolume)


def _claim(size: str = "1Gi", namespace: str = "ns", **spec: Any) -> PersistentVolumeClaim:
    more = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return convert(
        {"metadata": {"name": "data", "namespace": namespace, "uid": "u"}, "spec": more}, PersistentVolumeClaim
    )


def _ref(**more: str) -> dict[str, str]:
    return {"namespace": "ns", "name": "data", **more}


@pytest.mark.parametrize(
    ("claim", "volumes", "wanted"),
    [
        (_claim(), [_volume("big", "9Gi"), _volume("small", "2Gi")], "small"),
        (_claim("3Gi"), [_volume("small", "2Gi")], None),
        (_claim(), [_volume("small"), _volume("kept", "9Gi", claimRef=_ref())], "kept"),
        (_claim(), [_volume("others", claimRef=_ref(name="other"))], None),
        (_claim(), [_volume("past", claimRef=_ref(uid="earlier"))], None),
        (_claim(accessModes=["ReadWriteMany"]), [_volume("once")], None),
        (_claim(storageClassName="fast"), [_volume("slow")], None),
        (_claim(volumeName="b"), [_volume("a"), _volume("b", "9Gi")], "b"),
    ],
)
def test_the_volume_is_the_reserved_or_the_smallest_that_fits(
    claim: PersistentVolumeClaim, volumes: list[PersistentVolume], wanted: str | None
) -> None:
    found = next(iter(fitting(claim, volumes)), None)
    assert (found.metadata.name if found else None) == wanted


def test_a_claim_is_bound_and_its_volume_released_after_it(admin: Client, controllers: Start, namespace: str) -> None:
    claim = _claim(namespace=namespace)
    claim.metadata.uid = ""
    admin.create(claim)
    controllers()

    def phases() -> tuple[str, str]:
        return (
            admin.get(PersistentVolumeClaim, "data", namespace).status.phase,
            admin.get(PersistentVolume, f"v-{namespace}").status.phase,
        )

    until(lambda: admin.get(PersistentVolumeClaim, "data", namespace).status.phase == "Pending")
    admin.create(_volume(f"v-{namespace}"))
    until(lambda: phases() == ("Bound", "Bound"))
    bound = admin.get(PersistentVolumeClaim, "data", namespace)
    assert bound.spec.volume_name == f"v-{namespace}"
    assert str(bound.status.capacity["storage"]) == "1Gi"
    reference = admin.get(PersistentVolume, f"v-{namespace}").spec.claim_ref
    assert reference is not None
    assert reference.uid == bound.metadata.uid
    admin.delete(PersistentVolumeClaim, "data", namespace)
    until(lambda: admin.get(PersistentVolume, f"v-{namespace}").status.phase == "Released")


def _local(name: str, host: str, size: str) -> PersistentVolume:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return _volume(name, size, storageClassName="local", nodeAffinity={"required": required})


def _class(name: str, provisioner: str) -> StorageClass:
    body = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}
    return convert(body, StorageClass)


def _user(namespace: str, host: str = "") -> Pod:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    selector = {"kubernetes.io/hostname": host} if host else {}
    return pod("user", namespace=namespace, volumes=[volume], nodeSelector=selector)


def _said(admin: Client, namespace: str) -> list[str]:
    return [event.reason for event in admin.list(Event, namespace).items if event.involved_object.name == "data"]


def test_a_claim_that_waits_for_its_pod_is_bound_where_the_pod_runs(
    master: Master, admin: Client, namespace: str, controllers: Start
) -> None:
    controllers()
    for name in ("wa", "wb"):
        join(admin, node(name))
    for item in (
        _class("local", "kubernetes.io/no-provisioner"),
        _local("on-a", "wa", "1Gi"),
        _local("on-b", "wb", "5Gi"),
    ):
        admin.create(item)
    claim = _claim(namespace=namespace, storageClassName="local")
    claim.metadata.uid = ""
    admin.create(claim)
    until(lambda: "WaitForFirstConsumer" in _said(admin, namespace))
    assert admin.get(PersistentVolumeClaim, "data", namespace).spec.volume_name == ""
    with scheduler(master, leader_elect=False):
        # The smallest that fits is on the other node.
        admin.create(_user(namespace, "wb"))
        until(lambda: admin.get(Pod, "user", namespace).spec.node_name == "wb")
    found = admin.get(PersistentVolumeClaim, "data", namespace)
    assert (found.spec.volume_name, found.status.phase) == ("on-b", "Bound")
    assert admin.get(PersistentVolume, "on-a").spec.claim_ref is None
    for name in ("wa", "wb"):
        admin.delete(Node, name)


def test_who_makes_volumes_is_told_the_node(master: Master, admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    join(admin, node("wc"))
    admin.create(_class("made", "example.com/maker"))
    claim = _claim(namespace=namespace, storageClassName="made")
    claim.metadata.uid = ""
    admin.create(claim)

    def selected() -> str:
        annotations = admin.get(PersistentVolumeClaim, "data", namespace).metadata.annotations
        return annotations.get("volume.kubernetes.io/selected-node", "")

    with scheduler(master, leader_elect=False):
        admin.create(_user(namespace))
        until(lambda: selected() == "wc")
        assert admin.get(Pod, "user", namespace).spec.node_name == ""
        uid = admin.get(PersistentVolumeClaim, "data", namespace).metadata.uid
        reference = {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": namespace,
            "name": "data",
            "uid": uid,
        }
        admin.create(_volume("fresh", storageClassName="made", claimRef=reference))
        until(lambda: admin.get(Pod, "user", namespace).spec.node_name == "wc")
    admin.delete(Node, "wc")

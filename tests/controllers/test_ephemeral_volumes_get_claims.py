"""A generic ephemeral volume: a claim of the pod's own is made, goes with it, and is never another's."""

from typing import Any

import pytest

from api.codec import convert
from api.core import Event, Node, PersistentVolume, PersistentVolumeClaim, Pod
from client import Client
from tests.controllers.conftest import Start
from tests.controllers.live import Master
from tests.controllers.test_owned_objects_go_with_their_owner import exists
from tests.e2e.waiting import until
from tests.scheduler.made import node, pod
from tests.scheduler.running import join, scheduler

SPEC: dict[str, Any] = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}},
    "storageClassName": "",
}


def _user(namespace: str) -> Pod:
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": SPEC}
    return pod("user", namespace=namespace, volumes=[{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}])


def _own(admin: Client, namespace: str) -> PersistentVolumeClaim | None:
    items = admin.list(PersistentVolumeClaim, namespace).items
    return next((one for one in items if one.metadata.name == "user-data"), None)


def _events(admin: Client, namespace: str) -> list[tuple[str, str, str]]:
    return [(one.reason, one.message, one.source.component) for one in admin.list(Event, namespace).items if one.source]


@pytest.fixture
def volume(admin: Client, namespace: str) -> str:
    more = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    reference = {"claimRef": {"namespace": namespace, "name": "user-data"}}
    name = f"for-{namespace}"
    admin.create(convert({"metadata": {"name": name}, "spec": more | reference}, PersistentVolume))
    return name


def test_the_claim_is_made_bound_used_and_collected(
    master: Master, admin: Client, namespace: str, controllers: Start, volume: str
) -> None:
    controllers()
    join(admin, node("we"))
    made = admin.create(_user(namespace))
    with scheduler(master, leader_elect=False):
        until(lambda: admin.get(Pod, "user", namespace).spec.node_name == "we")
    claim = _own(admin, namespace)
    assert claim is not None
    assert (claim.metadata.labels, claim.metadata.annotations["c"]) == ({"a": "b"}, "d")
    (owner,) = claim.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller, owner.block_owner_deletion) == (
        "Pod",
        made.metadata.uid,
        True,
        True,
    )
    assert (claim.spec.volume_name, claim.status.phase) == (volume, "Bound")
    # In use it stays, though somebody deletes it.
    admin.delete(PersistentVolumeClaim, "user-data", namespace)
    assert exists(admin, PersistentVolumeClaim, "user-data", namespace)
    admin.delete(Pod, "user", namespace, grace_s=0)
    until(lambda: _own(admin, namespace) is None)
    admin.delete(Node, "we")


def test_a_foreign_claim_of_that_name_is_left_alone_and_told(
    master: Master, admin: Client, namespace: str, controllers: Start, volume: str
) -> None:
    assert volume
    controllers()
    join(admin, node("wf"))
    admin.create(
        convert({"metadata": {"name": "user-data", "namespace": namespace}, "spec": SPEC}, PersistentVolumeClaim)
    )
    admin.create(_user(namespace))
    wrong = f"PVC {namespace}/user-data was not created for pod {namespace}/user (pod is not owner)"
    told = ("FailedBinding", f"ephemeral volume data: {wrong}", "ephemeral_volume")
    until(lambda: told in _events(admin, namespace))
    with scheduler(master, leader_elect=False):
        until(lambda: any(wrong in message for _, message, _ in _events(admin, namespace) if "nodes are" in message))
        # With the foreign one gone, the pod's own is made and the pod placed.
        admin.delete(PersistentVolumeClaim, "user-data", namespace)
        admin.patch(PersistentVolume, volume, "", {"spec": {"claimRef": {"uid": None}}}, form="merge")
        until(lambda: admin.get(Pod, "user", namespace).spec.node_name == "wf")
    admin.delete(Pod, "user", namespace, grace_s=0)
    admin.delete(Node, "wf")


def test_a_claim_that_is_lost_is_made_again(admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    admin.create(_user(namespace))
    until(lambda: _own(admin, namespace) is not None)
    first = _own(admin, namespace)
    assert first is not None
    admin.delete(PersistentVolumeClaim, "user-data", namespace)
    until(lambda: (now := _own(admin, namespace)) is not None and now.metadata.uid != first.metadata.uid)

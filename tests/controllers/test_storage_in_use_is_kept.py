"""Claims and volumes beside a real API server: what is in use goes only when it is not any more."""

from collections.abc import Iterator

import pytest

from api.core import (
    Node,
    ObjectReference,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    Pod,
    Volume,
)
from api.core.claim import VolumeResourceRequirements
from api.core.volume import HostPathVolumeSource, PersistentVolumeClaimVolumeSource
from api.meta import ObjectMeta
from api.scalars import Quantity
from client import Client
from tests.controllers.conftest import Start
from tests.controllers.made import node, pod
from tests.controllers.test_owned_objects_go_with_their_owner import exists
from tests.e2e.waiting import until


@pytest.fixture(autouse=True)
def running(controllers: Start) -> None:
    controllers()


def claim(namespace: str, volume: str = "") -> PersistentVolumeClaim:
    spec = PersistentVolumeClaimSpec(
        access_modes=["ReadWriteOnce"],
        resources=VolumeResourceRequirements(requests={"storage": Quantity("1Gi")}),
        storage_class_name="",
        volume_name=volume,
    )
    return PersistentVolumeClaim(metadata=ObjectMeta(name="data", namespace=namespace), spec=spec)


@pytest.fixture
def volume(admin: Client, namespace: str) -> Iterator[PersistentVolume]:
    spec = PersistentVolumeSpec(
        access_modes=["ReadWriteOnce"],
        capacity={"storage": Quantity("1Gi")},
        host_path=HostPathVolumeSource(path="/nowhere"),
        claim_ref=ObjectReference(namespace=namespace, name="data"),
    )
    made = admin.create(PersistentVolume(metadata=ObjectMeta(name=f"of-{namespace}"), spec=spec))
    yield made
    if exists(admin, PersistentVolume, made.metadata.name):
        admin.patch(PersistentVolume, made.metadata.name, "", {"metadata": {"finalizers": None}}, form="merge")
        admin.delete(PersistentVolume, made.metadata.name)


def user_of_claim(namespace: str, node: str) -> Pod:
    item = pod("user", labels={})
    item.metadata.namespace = namespace
    item.spec.node_name = node
    item.spec.volumes = [
        Volume(name="data", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="data"))
    ]
    return item


def test_a_claim_stays_until_its_pod_has_gone(admin: Client, namespace: str) -> None:
    made = admin.create(claim(namespace))
    assert made.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    admin.create(node(f"of-{namespace}"))
    admin.create(user_of_claim(namespace, f"of-{namespace}"))
    admin.delete(PersistentVolumeClaim, "data", namespace)
    # A second claim that nobody uses goes meanwhile: the controller has looked at both.
    other = claim(namespace)
    other.metadata.name = "other"
    admin.create(other)
    admin.delete(PersistentVolumeClaim, "other", namespace)
    until(lambda: not exists(admin, PersistentVolumeClaim, "other", namespace))
    assert admin.get(PersistentVolumeClaim, "data", namespace).metadata.deletion_timestamp is not None
    admin.delete(Pod, "user", namespace, grace_s=0)
    until(lambda: not exists(admin, PersistentVolumeClaim, "data", namespace))
    admin.delete(Node, f"of-{namespace}")


def test_a_pod_without_a_node_keeps_no_claim(admin: Client, namespace: str) -> None:
    admin.create(claim(namespace))
    admin.create(user_of_claim(namespace, ""))
    admin.delete(PersistentVolumeClaim, "data", namespace)
    until(lambda: not exists(admin, PersistentVolumeClaim, "data", namespace))


def test_a_volume_stays_until_its_claim_has_gone(admin: Client, namespace: str, volume: PersistentVolume) -> None:
    name = volume.metadata.name
    assert volume.metadata.finalizers == ["kubernetes.io/pv-protection"]
    admin.create(claim(namespace, name))
    until(lambda: admin.get(PersistentVolume, name).status.phase == "Bound")
    admin.delete(PersistentVolume, name)
    assert exists(admin, PersistentVolume, name)
    admin.delete(PersistentVolumeClaim, "data", namespace)
    until(lambda: not exists(admin, PersistentVolumeClaim, "data", namespace))
    until(lambda: not exists(admin, PersistentVolume, name))


def test_what_was_made_without_protection_is_given_it(admin: Client, namespace: str) -> None:
    admin.create(claim(namespace))
    admin.patch(PersistentVolumeClaim, "data", namespace, {"metadata": {"finalizers": None}}, form="merge")
    until(lambda: bool(admin.get(PersistentVolumeClaim, "data", namespace).metadata.finalizers))

"""Claims: not bound, bound to a volume that some nodes reach, gone."""

from typing import Any

import pytest

from api.codec import convert
from api.core import PersistentVolume, PersistentVolumeClaim, Pod
from api.core.claim import VolumeResourceRequirements
from api.scalars import Quantity, now
from api.storage import StorageClass
from master.scheduler.decision import Chooser
from master.scheduler.filters import Refusal, volume_restrictions
from master.scheduler.preemption import plan
from master.scheduler.profile import Profile
from master.scheduler.volumes import beside, volumes_of
from master.scheduler.wish import Wish
from tests.scheduler.made import cluster, node, pod, refusal

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


def claim(name: str, volume: str = "", phase: str = "Bound") -> PersistentVolumeClaim:
    body: dict[str, Any] = {"metadata": {"name": name}, "spec": {"volumeName": volume}, "status": {"phase": phase}}
    return convert(body, PersistentVolumeClaim)


def volume(name: str, *hosts: str) -> PersistentVolume:
    spec: dict[str, Any] = {}
    if hosts:
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(hosts)}
        spec = {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}
    return convert({"metadata": {"name": name}, "spec": spec}, PersistentVolume)


LEAVING = claim("leaving", "everywhere")
LEAVING.metadata.deletion_timestamp = now()
CLAIMS = {
    one.metadata.name: one
    for one in (
        claim("free", "everywhere"),
        claim("on-a", "local-a"),
        claim("on-ab", "local-ab"),
        claim("pending", phase="Pending"),
        claim("half", "everywhere", phase="Pending"),
        claim("lost", "gone", phase="Lost"),
        claim("broken", "gone"),
        LEAVING,
    )
}
VOLUMES = {
    one.metadata.name: one for one in (volume("everywhere"), volume("local-a", "a"), volume("local-ab", "a", "b"))
}


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ((), ""),
        (("free",), ""),
        (("on-a", "free"), ""),
        (("none",), 'persistentvolumeclaim "none" not found'),
        (("pending",), UNBOUND),
        (("half",), UNBOUND),
        (("free", "pending"), UNBOUND),
        (("leaving",), 'persistentvolumeclaim "leaving" is being deleted'),
        (("lost",), 'persistentvolumeclaim "lost" bound to non-existent persistentvolume "gone"'),
        (("broken",), "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"),
    ],
)
def test_claims_say_what_is_wrong_with_them(claims: tuple[str, ...], problem: str) -> None:
    assert volumes_of("default", claims, lambda _, name: CLAIMS.get(name), VOLUMES.get).problem == problem


@pytest.mark.parametrize(
    ("claims", "nodes"),
    [(("free",), "abc"), (("on-a",), "a"), (("on-ab",), "ab"), (("on-ab", "on-a"), "a"), (("free", "on-ab"), "ab")],
)
def test_a_volume_draws_its_pod_to_the_nodes_that_reach_it(claims: tuple[str, ...], nodes: str) -> None:
    there = cluster(node("a"), node("b"), node("c"))
    found = volumes_of("default", claims, lambda _, name: CLAIMS.get(name), VOLUMES.get)
    refused = {name: refusal(pod(), there, name, volumes=found) for name in "abc"}
    conflict = ("node(s) had volume node affinity conflict",)
    assert refused == {name: () if name in nodes else conflict for name in "abc"}


ALONE = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


def user(name: str, *claims: str, **spec: Any) -> Pod:
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    return pod(name, volumes=volumes, **spec)


def test_a_claim_for_one_pod_is_not_used_by_a_second() -> None:
    mine = claim("mine", "everywhere")
    mine.spec.access_modes = ["ReadWriteOncePod"]
    found = volumes_of("default", ("mine",), lambda *_: mine, VOLUMES.get)
    assert found.alone == {"mine"}
    others = {"a": [user("first", "mine")], "b": [user("x", "mine", namespace="elsewhere"), user("y", "free")]}
    there = cluster(node("a"), node("b"), **others)
    second = Wish.of(user("second", "mine"))
    second.volumes = beside(found, there.users(second, found.alone))
    refused = {name: volume_restrictions(second, there.nodes[name]) for name in "ab"}
    assert refused == {"a": Refusal((ALONE,), curable=True), "b": Refusal((ALONE,))}
    there.remove("first")
    second.volumes = beside(found, there.users(second, found.alone))
    assert [volume_restrictions(second, there.nodes[name]) for name in "ab"] == [None, None]


def test_who_is_more_important_takes_the_claim_for_one_pod() -> None:
    mine = claim("mine", "everywhere")
    mine.spec.access_modes = ["ReadWriteOncePod"]
    there = cluster(node("a"), node("b"), a=[user("first", "mine", priority=1)])
    wish, profile = Wish.of(user("second", "mine", priority=2)), Profile()
    found = volumes_of("default", ("mine",), lambda *_: mine, VOLUMES.get)
    wish.volumes = beside(found, there.users(wish, found.alone))
    chooser = Chooser(there, profile)
    choice = chooser.choose(wish)
    assert choice.reason == f"0/2 nodes are available: 2 {ALONE}."
    way = plan(wish, there, profile, choice.refusals, chooser.refusal)
    assert (way.node, [one.name for one in way.victims]) == ("a", ["first"])


def waiting(name: str, size: str = "1Gi") -> PersistentVolumeClaim:
    found = claim(name, phase="Pending")
    found.spec.storage_class_name = "local"
    found.spec.resources = convert({"requests": {"storage": size}}, VolumeResourceRequirements)
    return found


def local(name: str, size: str, *hosts: str) -> PersistentVolume:
    found = volume(name, *hosts)
    found.spec.storage_class_name, found.spec.capacity = "local", {"storage": Quantity(size)}
    return found


def test_who_makes_volumes_makes_them_for_the_topologies_of_the_class() -> None:
    allowed = [{"matchLabelExpressions": [{"key": "zone", "values": ["east", "west"]}, {"key": "ssd", "values": [""]}]}]
    document = {"provisioner": "example.com/maker", "volumeBindingMode": "WaitForFirstConsumer"}
    kind = convert({**document, "allowedTopologies": allowed}, StorageClass)
    found = volumes_of("default", ("x",), lambda _, name: waiting(name), VOLUMES.get, lambda _: kind, list)
    both, half = {"zone": "east", "ssd": ""}, {"zone": "west"}
    there = cluster(node("a", labels=both), node("b", labels=half), node("c", labels={"zone": "north", "ssd": ""}))
    lacks = ("node(s) didn't find available persistent volumes to bind",)
    assert {name: refusal(pod(), there, name, volumes=found) for name in "abc"} == {"a": (), "b": lacks, "c": lacks}


@pytest.mark.parametrize(
    ("claims", "provisioner", "nodes"),
    [
        # The smallest volume that is reached from there; two claims never get the same.
        ({"x": "1Gi"}, "kubernetes.io/no-provisioner", {"a": {"x": "a1"}, "b": {"x": "b5"}, "c": None}),
        ({"x": "2Gi"}, "kubernetes.io/no-provisioner", {"a": {"x": "a3"}, "b": {"x": "b5"}, "c": None}),
        ({"x": "1Gi", "y": "1Gi"}, "kubernetes.io/no-provisioner", {"a": {"x": "a1", "y": "a3"}, "b": None, "c": None}),
        ({"x": "9Gi"}, "kubernetes.io/no-provisioner", {"a": None, "b": None, "c": None}),
        # Who makes volumes makes what is not there.
        ({"x": "9Gi"}, "example.com/maker", {"a": {"x": ""}, "b": {"x": ""}, "c": {"x": ""}}),
        ({"x": "4Gi"}, "example.com/maker", {"a": {"x": ""}, "b": {"x": "b5"}, "c": {"x": ""}}),
    ],
)
def test_a_claim_that_waits_for_its_pod_finds_its_volume_by_the_node(
    claims: dict[str, str], provisioner: str, nodes: dict[str, dict[str, str] | None]
) -> None:
    kind = convert({"provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}, StorageClass)
    wanted = {name: waiting(name, size) for name, size in claims.items()}
    volumes = [local("a3", "3Gi", "a"), local("a1", "1Gi", "a"), local("b5", "5Gi", "b")]
    found = volumes_of(
        "default", tuple(claims), lambda _, name: wanted[name], VOLUMES.get, lambda _: kind, lambda: volumes
    )
    there = cluster(node("a"), node("b"), node("c"))
    labels = {name: state.labels for name, state in there.nodes.items()}
    assert {name: found.bindings(name, labels[name]) for name in "abc"} == nodes
    lacks = ("node(s) didn't find available persistent volumes to bind",)
    refused = {name: refusal(pod(), there, name, volumes=found) for name in "abc"}
    assert refused == {name: lacks if nodes[name] is None else () for name in "abc"}

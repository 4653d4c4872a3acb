"""The pod garbage collector, taint eviction after an absence, and ranges that come back, beside a real API server."""

import threading
from collections.abc import Iterator

import pytest

from api.core import Node, Pod
from api.errors import NotFound
from client import Client, EventRecorder
from master.controllers.evictions import TaintEviction
from master.controllers.heartbeats import Attention
from master.controllers.informers import Informers
from tests.controllers.conftest import Start
from tests.controllers.live import Master
from tests.controllers.made import node, pod
from tests.e2e.waiting import until


@pytest.fixture(autouse=True)
def nodes_removed(admin: Client) -> Iterator[None]:
    yield
    for item in admin.list(Node).items:
        admin.delete(Node, item.metadata.name)


def put(admin: Client, namespace: str, name: str, *, on: str = "", phase: str = "Running") -> Pod:
    made = pod(name)
    made.metadata.namespace = namespace
    made = admin.create(made)
    if on:
        admin.bind(name, namespace, on)
    admin.patch(Pod, name, namespace, {"status": {"phase": phase}}, subresource="status")
    return made


def names(admin: Client, namespace: str) -> list[str]:
    return sorted(item.metadata.name for item in admin.list(Pod, namespace).items)


def exists(admin: Client, name: str, namespace: str) -> bool:
    try:
        admin.get(Pod, name, namespace)
    except NotFound:
        return False
    return True


def test_the_oldest_that_have_ended_go_when_they_are_too_many(
    admin: Client, namespace: str, controllers: Start
) -> None:
    for number in range(6):
        put(admin, namespace, f"p{number}", phase=("Succeeded", "Failed")[number % 2])
    put(admin, namespace, "alive")
    # Their times are whole seconds: the name settles a tie.
    controllers(terminated_pod_gc_threshold=2)
    until(lambda: names(admin, namespace) == ["alive", "p4", "p5"])


def test_evicted_pods_go_first(admin: Client, namespace: str, controllers: Start) -> None:
    for name in ("a", "b", "c"):
        put(admin, namespace, name, phase="Failed")
    admin.patch(Pod, "c", namespace, {"status": {"reason": "Evicted"}}, subresource="status")
    controllers(terminated_pod_gc_threshold=1)
    until(lambda: names(admin, namespace) == ["b"])


def why(admin: Client, name: str, namespace: str) -> list[tuple[str, str]]:
    conditions = admin.get(Pod, name, namespace).status.conditions
    return [(one.reason, one.message) for one in conditions if (one.type, one.status) == ("DisruptionTarget", "True")]


def test_a_pod_whose_node_is_gone_is_told_as_failed_and_why(admin: Client, namespace: str, controllers: Start) -> None:
    """Whoever holds it by a finalizer reads what became of it."""
    admin.create(node("leaving"))
    for name, phase in (("running", "Running"), ("done", "Succeeded")):
        put(admin, namespace, name, on="leaving", phase=phase)
        admin.patch(Pod, name, namespace, {"metadata": {"finalizers": ["test/hold"]}})
    controllers()
    admin.delete(Node, "leaving")
    until(lambda: all(one.metadata.deletion_timestamp for one in admin.list(Pod, namespace).items))
    phases = {one.metadata.name: one.status.phase for one in admin.list(Pod, namespace).items}
    assert phases == {"running": "Failed", "done": "Succeeded"}
    assert why(admin, "running", namespace) == [("DeletionByPodGC", "PodGC: node no longer exists")]
    for name in phases:
        admin.patch(Pod, name, namespace, {"metadata": {"finalizers": None}}, form="merge")


def test_pods_of_a_node_out_of_service_that_are_going_are_gone(
    admin: Client, namespace: str, controllers: Start
) -> None:
    admin.create(node("dead"))
    for name in ("going", "staying"):
        put(admin, namespace, name, on="dead")
    controllers()
    admin.delete(Pod, "going", namespace)
    assert admin.get(Pod, "going", namespace).metadata.deletion_timestamp is not None
    mark = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoSchedule"}
    admin.patch(Node, "dead", "", {"spec": {"taints": [mark]}}, form="merge")
    admin.create(node("other"))
    until(lambda: all(one.spec.pod_cidr for one in admin.list(Node).items))
    assert exists(admin, "going", namespace), "the node may still be alive"
    down = {"type": "Ready", "status": "False"}
    admin.patch(Node, "dead", "", {"status": {"conditions": [down]}}, subresource="status")
    until(lambda: not exists(admin, "going", namespace))
    assert exists(admin, "staying", namespace)


def test_a_range_is_free_again_when_its_node_has_gone(admin: Client, controllers: Start) -> None:
    # No change of the waiting node itself may lead to the look.
    controllers(cluster_cidr="10.9.0.0/23", node_cidr_mask_size=24, node_monitor_grace_period_s=3600.0)
    for name in ("a", "b", "c"):
        admin.create(node(name))
    until(lambda: sum(bool(one.spec.pod_cidr) for one in admin.list(Node).items) == 2)
    holder = next(one for one in admin.list(Node).items if one.spec.pod_cidr)
    waiting = next(one.metadata.name for one in admin.list(Node).items if not one.spec.pod_cidr)
    admin.delete(Node, holder.metadata.name)
    until(lambda: admin.get(Node, waiting).spec.pod_cidr == holder.spec.pod_cidr)


def test_nobody_is_driven_out_for_his_nodes_silence_right_after_an_absence(
    admin: Client, namespace: str, master: Master
) -> None:
    """Until a grace period has passed without a gap, the silence may have been our own."""
    for name, key in (("lost", "node.kubernetes.io/unreachable"), ("closed", "own")):
        made = node(name)
        made.spec.taints = []
        admin.create(made)
        put(admin, namespace, f"on-{name}", on=name)
        patch = {"spec": {"taints": [{"key": key, "effect": "NoExecute"}]}}
        admin.patch(Node, name, "", patch, form="merge")
    clock_s = 1000.0
    attention = Attention(20, lambda: clock_s)
    # The pod was admitted with 300 s of patience.
    client = master.client("controller-manager")
    recorder, informers = EventRecorder(client, "test"), Informers(client)
    eviction = TaintEviction(client, informers, recorder, attention, grace_s=40, clock=lambda: clock_s)
    informers.start()
    try:
        assert informers.wait_synced(threading.Event())
        assert eviction.reconcile((namespace, "on-closed")) == "evicted from closed"
        assert why(admin, "on-closed", namespace) == [
            ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
        ]
        assert eviction.reconcile((namespace, "on-lost")) == ""
        clock_s += 400
        assert eviction.reconcile((namespace, "on-lost")) == "", "all that time this controller was held up"
        attention.lose()
        for _ in range(7):
            clock_s += 5
            assert eviction.reconcile((namespace, "on-lost")) == ""
            attention.look()
        clock_s += 5
        assert eviction.reconcile((namespace, "on-lost")) == "evicted from lost"
    finally:
        informers.stop()
        recorder.close()
        client.close()

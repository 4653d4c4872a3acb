"""Lost nodes beside a real API server, with the real scheduler: replacement, pace, and what comes back."""

import threading
from collections.abc import Callable, Iterator

import pytest

from api.core import Node, Pod, ReplicationController, Toleration
from client import Client
from master.scheduler.config import Config as SchedulerConfig
from master.scheduler.main import run as run_scheduler
from tests.controllers.conftest import Start
from tests.controllers.live import LIMIT_S, Master
from tests.controllers.made import controller
from tests.e2e.waiting import until
from tests.simulation.hollow import HollowNode

FAST = {"node_monitor_period_s": 0.1, "node_monitor_grace_period_s": 2.0, "node_eviction_rate": 10.0}
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
Join = Callable[..., list[HollowNode]]


@pytest.fixture
def join(master: Master, admin: Client) -> Iterator[Join]:
    """Starts hollow nodes and waits until they are ready; they are gone after the test."""
    started: list[HollowNode] = []

    def start(*names: str, **labels: str) -> list[HollowNode]:
        made = [HollowNode(master.kubeconfig("admin"), name, labels=labels).start() for name in names]
        started.extend(made)
        until(lambda: set(names) <= {item.metadata.name for item in admin.list(Node).items if is_ready(item)})
        return made

    yield start
    for node in started:
        node.kill()
    for item in admin.list(Node).items:
        admin.delete(Node, item.metadata.name)


@pytest.fixture
def scheduler(master: Master) -> Iterator[None]:
    stop = threading.Event()
    config = SchedulerConfig(kubeconfig=master.kubeconfig("scheduler"))
    thread = threading.Thread(target=run_scheduler, args=(config, stop))
    thread.start()
    yield
    stop.set()
    thread.join(LIMIT_S)


def is_ready(node: Node) -> bool:
    return any(item.type == "Ready" and item.status == "True" for item in node.status.conditions)


def taints(admin: Client, name: str) -> set[tuple[str, str]]:
    return {(taint.key, taint.effect) for taint in admin.get(Node, name).spec.taints}


def impatient(namespace: str, *, replicas: int, bears_s: int = 0) -> ReplicationController:
    """Its pods leave a lost node after ``bears_s``."""
    made: ReplicationController = controller(namespace=namespace, replicas=replicas)
    template = made.spec.template
    assert template is not None
    template.spec.tolerations = [
        Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=bears_s)
        for key in (NOT_READY, UNREACHABLE)
    ]
    return made


def pods(admin: Client, namespace: str) -> list[Pod]:
    return admin.list(Pod, namespace).items


def ready(found: list[Pod]) -> list[Pod]:
    return [
        pod
        for pod in found
        if pod.metadata.deletion_timestamp is None
        and any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions)
    ]


def test_a_frozen_nodes_pods_are_replaced_and_the_surplus_goes_when_it_is_back(
    admin: Client, namespace: str, controllers: Start, join: Join, scheduler: None
) -> None:
    """Three, four, three: the story of the replication controller."""
    nodes = {node.name: node for node in join("a", "b", "c")}
    controllers(**FAST)
    admin.create(impatient(namespace, replicas=3))
    until(lambda: len(ready(pods(admin, namespace))) == 3)
    frozen = nodes[pods(admin, namespace)[0].spec.node_name]
    stuck = {pod.metadata.uid for pod in pods(admin, namespace) if pod.spec.node_name == frozen.name}
    frozen.freeze()
    until(lambda: len(ready(pods(admin, namespace))) == 3 and len(pods(admin, namespace)) == 3 + len(stuck))
    assert not stuck & {pod.metadata.uid for pod in ready(pods(admin, namespace))}
    assert frozen.name not in {pod.spec.node_name for pod in ready(pods(admin, namespace))}
    assert {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")} <= taints(admin, frozen.name)
    assert stuck <= set(frozen.running()), "they still run there"
    frozen.thaw()
    until(lambda: len(pods(admin, namespace)) == 3 and not frozen.running())
    until(lambda: not taints(admin, frozen.name))
    assert len(ready(pods(admin, namespace))) == 3


def test_who_comes_back_in_time_keeps_his_pods(
    admin: Client, namespace: str, controllers: Start, join: Join, scheduler: None
) -> None:
    nodes = {node.name: node for node in join("a", "b", "c")}
    controllers(**FAST)
    admin.create(impatient(namespace, replicas=3, bears_s=600))
    until(lambda: len(ready(pods(admin, namespace))) == 3)
    before = {pod.metadata.uid for pod in pods(admin, namespace)}
    slow = nodes[pods(admin, namespace)[0].spec.node_name]
    slow.cut(off=True)
    until(lambda: (UNREACHABLE, "NoExecute") in taints(admin, slow.name))
    until(lambda: len(ready(pods(admin, namespace))) < 3)
    slow.cut(off=False)
    until(lambda: not taints(admin, slow.name))
    until(lambda: len(ready(pods(admin, namespace))) == 3)
    assert {pod.metadata.uid for pod in pods(admin, namespace)} == before


def test_nobody_is_given_up_while_most_of_a_small_zone_is_away(
    admin: Client, namespace: str, controllers: Start, join: Join
) -> None:
    nodes = join("a", "b", "c", "d", **{"topology.kubernetes.io/zone": "west"})
    controllers(**FAST)
    for node in nodes[:3]:
        node.freeze()
    until(lambda: all((UNREACHABLE, "NoSchedule") in taints(admin, name) for name in "abc"))
    (other,) = join("e", **{"topology.kubernetes.io/zone": "east"})
    other.freeze()
    # The rounds that give this one up looked at the others too.
    until(lambda: (UNREACHABLE, "NoExecute") in taints(admin, "e"))
    assert [name for name in "abcd" if (UNREACHABLE, "NoExecute") in taints(admin, name)] == []
    nodes[0].thaw()
    nodes[1].thaw()
    until(lambda: (UNREACHABLE, "NoExecute") in taints(admin, "c"))


def test_when_all_are_away_nobody_is_given_up(admin: Client, controllers: Start, join: Join) -> None:
    first, second = join("a", "b")
    controllers(**FAST)
    first.freeze()
    until(lambda: (UNREACHABLE, "NoExecute") in taints(admin, "a"))
    second.freeze()
    until(lambda: taints(admin, "b") == {(UNREACHABLE, "NoSchedule")})
    until(lambda: taints(admin, "a") == {(UNREACHABLE, "NoSchedule")})
    second.thaw()
    until(lambda: not taints(admin, "b"))
    until(lambda: (UNREACHABLE, "NoExecute") in taints(admin, "a"))


def test_taints_follow_conditions_and_cordons(admin: Client, controllers: Start, join: Join) -> None:
    join("a")
    controllers()
    pressed = {"type": "MemoryPressure", "status": "True"}
    admin.patch(Node, "a", "", {"status": {"conditions": [pressed]}}, subresource="status")
    until(lambda: taints(admin, "a") == {("node.kubernetes.io/memory-pressure", "NoSchedule")})
    own = [{"key": "own", "effect": "NoExecute"}]
    admin.patch(Node, "a", "", {"spec": {"unschedulable": True, "taints": own}}, form="merge")
    pressure, cordon = ("node.kubernetes.io/memory-pressure", "NoSchedule"), "node.kubernetes.io/unschedulable"
    until(lambda: taints(admin, "a") == {pressure, (cordon, "NoSchedule"), ("own", "NoExecute")})
    admin.patch(Node, "a", "", {"spec": {"unschedulable": None}}, form="merge")
    until(lambda: taints(admin, "a") == {pressure, ("own", "NoExecute")})


def test_a_taint_set_by_hand_drives_out_who_does_not_bear_it(
    admin: Client, namespace: str, controllers: Start, join: Join, scheduler: None
) -> None:
    join("a")
    controllers()
    hardy = controller("hardy", namespace=namespace, replicas=1)
    hardy.spec.template.spec.tolerations = [Toleration(key="own", operator="Exists")]
    for item in (controller(namespace=namespace, replicas=2), hardy):
        admin.create(item)
    until(lambda: len(ready(pods(admin, namespace))) == 3)
    kept = [pod.metadata.uid for pod in pods(admin, namespace) if pod.metadata.labels["app"] == "hardy"]
    admin.patch(Node, "a", "", {"spec": {"taints": [{"key": "own", "effect": "NoExecute"}]}}, form="merge")
    until(lambda: [pod.metadata.uid for pod in ready(pods(admin, namespace))] == kept)

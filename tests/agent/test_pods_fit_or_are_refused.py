"""A node takes no more pods than it has room for, whoever bound them to it; what does not fit stops only itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agent.pods.admission import Admission, Around
from agent.pods.fitting import Amounts, asked, shortages, told, total
from agent.pods.observed import Leaving
from agent.pods.preempting import victims
from api.codec import convert
from api.core import Node as NodeObject
from api.core import Pod, ResourceRequirements
from api.defaulting import complete_for_pods
from tests.agent.cluster import Cluster, phase, ready
from tests.agent.facts import NOW, pod
from tests.agent.sockets import free_port

CAPACITY = {"pods": 3, "cpu": 2000, "memory": 2**30, "ephemeral-storage": 2**40}


def _pod(name: str, *, made_s: int = 0, cpu: str = "100m", **spec: Any) -> Pod:
    made = pod(containers=0, **spec)
    made.metadata.uid = made.metadata.name = name
    made.metadata.creation_timestamp = NOW + timedelta(seconds=made_s)
    container = pod().spec.containers[0]
    made.spec.containers = [_asking(container, cpu)]
    return made


def _asking(container: Any, cpu: str) -> Any:
    wanted = pod(containers=0, initContainers=[{"name": "x", "resources": {"requests": {"cpu": cpu}}}])
    container.resources = wanted.spec.init_containers[0].resources
    return container


class Node:
    """What the agent would know."""

    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.running: set[str] = set()
        self.left: dict[str, Leaving] = {}
        self.told: list[tuple[str, str]] = []
        self.node: NodeObject | None = None
        self.admission = Admission(
            (), CAPACITY,
            Around(pods=lambda: self.pods, running=self.running.__contains__, node=lambda: self.node),
            leave=lambda one, leaving: self.left.__setitem__(one.metadata.uid, leaving),
            tell=lambda _, reason, message: self.told.append((reason, message)),
        )  # fmt: skip

    def refuses(self, name: str) -> bool:
        return self.admission.refuses(next(one for one in self.pods if one.metadata.name == name))


def test_what_a_pod_asks_for_is_its_most_at_one_time() -> None:
    found = pod(
        containers=0, overhead={"cpu": "50m"},
        initContainers=[
            {"name": "init", "resources": {"requests": {"cpu": "1", "memory": "1Mi"}}},
            {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "200m"}}},
        ],
    )  # fmt: skip
    assert asked(found) == {"pods": 1, "cpu": 1050, "memory": 2**20, "ephemeral-storage": 0}
    found.spec.resources = convert({"requests": {"cpu": "3"}}, ResourceRequirements)
    assert asked(found) == {"pods": 1, "cpu": 3050, "memory": 2**20, "ephemeral-storage": 0}


@pytest.mark.parametrize(
    ("wanted", "others", "expected"),
    [
        ({"cpu": 2000}, [], None),
        ({"cpu": 0}, [{"cpu": 3000}], None),  # what asks for none takes none
        ({"cpu": 1500}, [{"cpu": 600}], ("OutOfcpu", "cpu, requested: 1500, used: 600, capacity: 2000")),
        ({"memory": 2**31}, [], ("OutOfmemory", f"memory, requested: {2**31}, used: 0, capacity: {2**30}")),
        ({}, [{}] * 3, ("OutOfpods", "pods, requested: 1, used: 3, capacity: 3")),
    ],
)
def test_the_first_shortage_is_told_in_the_kubelets_words(
    wanted: dict[str, int], others: list[dict[str, int]], expected: tuple[str, str] | None
) -> None:
    def whole(part: dict[str, int]) -> Amounts:
        return {"pods": 1, "cpu": 0, "memory": 0, "ephemeral-storage": 0} | part

    asked_for, used = whole(wanted), total(map(whole, others))
    short = shortages(asked_for, used, CAPACITY)
    found = told(next(iter(short)), asked_for, used, CAPACITY) if short else None
    assert found == (expected and (expected[0], f"Node didn't have enough resource: {expected[1]}"))


def test_one_that_is_too_large_takes_no_room_from_those_after_it() -> None:
    node = Node()
    node.pods = [_pod("huge", cpu="64"), _pod("small", made_s=1, cpu="1500m")]
    assert not node.refuses("small")  # whichever is looked at first
    assert node.refuses("huge")
    assert node.left["huge"].reason == node.told[0][0] == "OutOfcpu"
    assert node.left["huge"].message == f"Pod was rejected: {node.told[0][1]}"
    assert node.left["huge"].rejected


def test_those_that_came_first_are_taken_first_and_kept() -> None:
    node = Node()
    node.pods = [_pod("late", made_s=2, cpu="1"), _pod("first", cpu="1"), _pod("second", made_s=1, cpu="1")]
    assert [node.refuses(name) for name in ("late", "first", "second")] == [True, False, False]
    node.pods.insert(0, _pod("older", made_s=-1, cpu="1"))  # told of late
    assert [node.refuses(name) for name in ("older", "first")] == [True, False]


@pytest.mark.parametrize("how", ["over", "gone", "deleted"])
def test_room_comes_back(how: str) -> None:
    node = Node()
    node.pods = [_pod("first", cpu="2"), _pod("next", made_s=1, cpu="2")]
    assert not node.refuses("first")
    ends: dict[str, Callable[[], object]] = {
        "over": lambda: setattr(node.pods[0].status, "phase", "Succeeded"),
        "gone": lambda: node.pods.pop(0),
        "deleted": lambda: setattr(node.pods[0].metadata, "deletion_timestamp", NOW),
    }
    ends[how]()
    assert not node.refuses("next")


def test_what_runs_already_is_taken() -> None:
    """An agent that was started anew adopts what it finds."""
    node = Node()
    node.pods = [_pod("new", cpu="1500m"), _pod("runs", made_s=1, cpu="1")]
    node.running.add("runs")
    assert [node.refuses(name) for name in ("new", "runs")] == [True, False]


def test_a_critical_pod_has_others_go_and_waits_for_their_end() -> None:
    node = Node()
    node.pods = [_pod("keeps", cpu="100m"), _pod("goes", made_s=1, cpu="1800m", terminationGracePeriodSeconds=7)]
    assert [node.refuses(one.metadata.name) for one in node.pods] == [False, False]
    node.running |= {"keeps", "goes"}
    core = _pod("core", made_s=2, cpu="1500m", priority=2 * 10**9)
    node.pods.append(core)
    assert not node.refuses("core")
    assert node.told == [("Preempting", "Preempted in order to admit critical pod")]
    assert node.left.keys() == {"goes"}
    assert (node.left["goes"].reason, node.left["goes"].grace_s) == ("Preempting", 7)
    assert node.admission.waits(core)
    assert not node.refuses("goes")  # told once, by its end
    node.pods.append(_pod("other", made_s=3, cpu="1500m", priority=2 * 10**9))
    assert node.refuses("other")  # what goes already gives no room twice
    assert node.left["other"].reason == "UnexpectedAdmissionError"
    assert node.left["other"].message.endswith(
        "error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, "
        "q: 1000), ]"
    )
    node.running.discard("goes")
    assert not node.admission.waits(core)


def test_those_that_are_least_missed_give_way() -> None:
    """As the kubelet chooses: by quality, then the one nearest to what is short, then the smallest."""
    limits = {"resources": {"limits": {"cpu": "1", "memory": "1Mi"}}}
    guaranteed = pod(containers=0, initContainers=[{"name": "x", **limits}])
    guaranteed.spec.containers, guaranteed.spec.init_containers = guaranteed.spec.init_containers, []
    guaranteed.metadata.uid = "guaranteed"
    complete_for_pods(guaranteed.spec)
    others = [guaranteed, _pod("small", cpu="200m"), _pod("large", cpu="1"), _pod("none", cpu="0")]
    core = _pod("core", priority=2 * 10**9)

    def chosen(**short: int) -> list[str]:
        return [one.metadata.uid for one in victims(core, others, short)[0]]

    assert chosen(cpu=150) == ["small"]
    assert chosen(cpu=900) == ["large"]
    assert chosen(cpu=1100) == ["large", "small"]
    assert chosen(cpu=1900) == ["large", "guaranteed"]
    assert chosen(pods=1) == ["none"]
    assert victims(core, others, {"cpu": 3000}) == ([], {"cpu": 800})
    peer = _pod("peer", cpu="2", priority=2 * 10**9)
    assert victims(core, [peer], {"cpu": 100}) == ([], {"cpu": 100})


def _node(**more: Any) -> NodeObject:
    return convert({"metadata": {"name": "n", "labels": {"disk": "ssd"}}, **more}, NodeObject)


def _condition(name: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": name, "status": "True"}]}}


PORT = {"containerPort": 80, "hostPort": 8080}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["ssd"]}]}]
        }
    }
}
EVICT = {"spec": {"taints": [{"key": "out", "value": "", "effect": "NoExecute"}]}}
BEARS = [{"key": "out", "operator": "Exists"}]
UNWANTED = ("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")
TAINTED = ("TaintToleration", "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate")


@pytest.mark.parametrize(
    ("node", "spec", "expected"),
    [
        (None, {"nodeSelector": {"disk": "hdd"}}, None),  # nothing was told of the node yet
        (_node(), {"nodeSelector": {"disk": "ssd"}}, None),
        (_node(), {"nodeSelector": {"disk": "hdd"}}, UNWANTED),
        (_node(), {"affinity": AFFINITY}, UNWANTED),
        (_node(), {"nodeSelector": {"disk": "hdd"}, "priority": 2 * 10**9}, UNWANTED),
        (_node(**EVICT), {}, TAINTED),
        (_node(**EVICT), {"tolerations": BEARS}, None),
        (_node(**_condition("DiskPressure")), {}, ("Evicted", "The node had condition: [DiskPressure]. ")),
        (_node(**_condition("DiskPressure")), {"priority": 2 * 10**9}, None),
        (_node(**_condition("MemoryPressure")), {}, None),  # it asks for something
        (_node(), {"os": {"name": "windows"}}, (
            "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS",
        )),
    ],
)  # fmt: skip
def test_a_pod_that_must_not_be_here_is_refused_in_the_kubelets_words(
    node: NodeObject | None, spec: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    here = Node()
    here.node = node
    here.pods = [_pod("one", **spec)]
    assert here.refuses("one") == (expected is not None)
    assert here.told == ([expected] if expected else [])


def test_a_node_short_of_memory_takes_no_pod_that_asked_for_none() -> None:
    here = Node()
    here.node = _node(**_condition("MemoryPressure"))
    here.pods = [_pod("none", cpu="0"), _pod("some", made_s=1)]
    assert [here.refuses(name) for name in ("none", "some")] == [True, False]


def test_a_port_of_the_host_is_given_once() -> None:
    here = Node()
    here.pods = [_pod(name, made_s=at) for at, name in enumerate(("first", "same", "elsewhere", "all"))]
    for one, address in zip(here.pods, ("127.0.0.1", "127.0.0.1", "127.0.0.2", ""), strict=True):
        made = pod(containers=0, initContainers=[{"name": "x", "ports": [PORT | {"hostIP": address}]}])
        one.spec.containers[0].ports = made.spec.init_containers[0].ports
    refused = [here.refuses(one.metadata.name) for one in here.pods]
    assert refused == [False, True, False, True]
    assert here.told[0] == (
        "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    )  # fmt: skip


@pytest.mark.docker
def test_a_pod_that_asks_for_too_much_is_refused_and_the_next_one_runs(shared: Cluster) -> None:
    shared.start_agent()
    huge = shared.container("main", "exec sleep 1000", resources={"requests": {"cpu": "4k"}})
    shared.create("huge", containers=[huge])
    shared.create("small", "exec sleep 1000", terminationGracePeriodSeconds=1)
    shared.wait_pod("small", ready)
    told = shared.wait_pod("huge", phase("Failed")).status
    assert told.reason == "OutOfcpu"
    assert told.message.startswith(
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 4000000, used: "
    )
    assert shared.events("OutOfcpu") == [told.message.removeprefix("Pod was rejected: ")]


@pytest.mark.docker
def test_a_critical_pod_takes_the_room_of_others(cluster: Cluster) -> None:
    cluster.start_agent(max_pods=2)
    ends = "trap 'exit 0' TERM; sleep 1000 & wait"
    for name in ("first", "second"):
        cluster.create(name, ends, terminationGracePeriodSeconds=20)
        cluster.wait_pod(name, ready, timeout_s=60)
    cluster.create("third", ends)
    assert cluster.wait_pod("third", phase("Failed"), timeout_s=60).status.reason == "OutOfpods"
    cluster.create("core", ends, priority=2 * 10**9)
    cluster.wait_pod("core", ready, timeout_s=60)
    gone = [one for one in map(cluster.get, ("first", "second")) if one is not None and one.status.phase == "Failed"]
    assert [(one.status.reason, one.status.message) for one in gone] == [
        ("Preempting", "Preempted in order to admit critical pod")
    ]
    assert cluster.events("Preempting") == ["Preempted in order to admit critical pod"]
    (ended,) = gone[0].status.container_statuses
    assert ended.state.terminated is not None
    assert ended.state.terminated.exit_code == 0  # it had its grace
    started = cluster.wait_pod("core", ready).status.container_statuses[0].state
    assert started is not None
    assert started.running is not None
    assert ended.state.terminated.finished_at is not None
    assert started.running.started_at is not None
    assert started.running.started_at >= ended.state.terminated.finished_at


@pytest.mark.docker
def test_pods_that_the_node_does_not_suit_are_told_so(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("elsewhere", "exec sleep 1000", nodeSelector={"disk": "none"})
    assert shared.wait_pod("elsewhere", phase("Failed"), timeout_s=60).status.reason == "NodeAffinity"
    assert len(shared.events("NodeAffinity")) == 1
    ports = [{"containerPort": 80, "hostPort": free_port(), "protocol": "TCP"}]
    for name in ("holds", "wants"):
        shared.create(name, containers=[shared.container("main", "exec sleep 1000", ports=ports)])
        shared.wait_pod(name, ready if name == "holds" else phase("Failed"), timeout_s=60)
    refused = shared.wait_pod("wants", phase("Failed")).status
    assert (refused.reason, refused.message) == (
        "NodePorts",
        "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    )

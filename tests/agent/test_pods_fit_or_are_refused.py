"""A node takes no more pods than it has room for, whoever bound them to it; what does not fit stops only itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agent.pods.admission import Admission
from agent.pods.fitting import Amounts, asked, shortage
from agent.pods.observed import Leaving
from api.core import Pod
from tests.agent.cluster import Cluster, phase, ready
from tests.agent.facts import NOW, pod

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
        self.admission = Admission(
            (), CAPACITY, pods=lambda: self.pods, running=self.running.__contains__,
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


@pytest.mark.parametrize(
    ("wanted", "others", "told"),
    [
        ({"cpu": 2000}, [], None),
        ({"cpu": 0}, [{"cpu": 3000}], None),  # what asks for none takes none
        ({"cpu": 1500}, [{"cpu": 600}], ("OutOfcpu", "cpu, requested: 1500, used: 600, capacity: 2000")),
        ({"memory": 2**31}, [], ("OutOfmemory", f"memory, requested: {2**31}, used: 0, capacity: {2**30}")),
        ({}, [{}] * 3, ("OutOfpods", "pods, requested: 1, used: 3, capacity: 3")),
    ],
)
def test_the_first_shortage_is_told_in_the_kubelets_words(
    wanted: dict[str, int], others: list[dict[str, int]], told: tuple[str, str] | None
) -> None:
    def whole(part: dict[str, int]) -> Amounts:
        return {"pods": 1, "cpu": 0, "memory": 0, "ephemeral-storage": 0} | part

    found = shortage(whole(wanted), map(whole, others), CAPACITY)
    assert found == (told and (told[0], f"Node didn't have enough resource: {told[1]}"))


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


def test_what_runs_already_and_what_is_critical_is_taken() -> None:
    """An agent that was started anew adopts what it finds."""
    node = Node()
    node.pods = [_pod("new", cpu="1500m"), _pod("runs", made_s=1, cpu="1"), _pod("core", made_s=2, priority=2 * 10**9)]
    node.pods[2].spec.containers = [_asking(node.pods[2].spec.containers[0], "64")]
    node.running.add("runs")
    assert [node.refuses(name) for name in ("new", "runs", "core")] == [True, False, False]


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

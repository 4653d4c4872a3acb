"""The node: what is said of it, and how it stays registered."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config import Config
from agent.node.facts import MachineFacts, Pressure, node_address, read_machine, read_pressure
from agent.node.status import NodeObserved, new_node, node_status, same_but_heartbeat
from agent.runtime.failures import RuntimeUnreachable
from api.coordination import Lease
from api.core import Event, Node, NodeStatus
from tests.agent.cluster import NODE, Cluster, ready
from tests.e2e.waiting import until

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_MACHINE = MachineFacts(
    hostname="h", architecture="amd64", kernel_version="6.1", os_image="Debian", machine_id="m", system_uuid="s",
    boot_id="b", cpu_count=2, memory_bytes=4 * 2**30, disk_bytes=100 * 2**30,
)  # fmt: skip
_PLENTY = Pressure(
    memory_available_bytes=2**30, disk_available_percent=50, inodes_available_percent=50, pid_available_percent=90
)
_OBSERVED = NodeObserved(machine=_MACHINE, pressure=_PLENTY, address="10.0.0.5", port=10250, docker_version="20.10.24")
_CONFIG = Config(node_name="n1", system_reserved_cpu="500m", system_reserved_memory="1Gi")


def _condition(status: NodeStatus, kind: str) -> tuple[str, str]:
    return next((c.status, c.reason) for c in status.conditions if c.type == kind)


def test_a_new_node_tells_its_size_and_what_is_left_for_pods() -> None:
    node = new_node(_CONFIG, _OBSERVED, _NOW)
    assert node.metadata.labels["kubernetes.io/hostname"] == "n1"
    assert node.status.capacity == {"cpu": "2", "memory": "4Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    assert node.status.allocatable["cpu"] == "1500m"
    assert node.status.allocatable["memory"].units == 3 * 2**30 - 100 * 2**20
    assert _condition(node.status, "Ready") == ("True", "KubeletReady")
    assert node.status.node_info is not None
    assert node.status.node_info.container_runtime_version == "docker://20.10.24"
    assert node.status.node_info.kubelet_version.startswith("v1.32.0+steersman.")


@pytest.mark.parametrize(
    ("pressure", "kind", "reason"),
    [
        ({"memory_available_bytes": 2**20}, "MemoryPressure", "KubeletHasInsufficientMemory"),
        ({"disk_available_percent": 5.0}, "DiskPressure", "KubeletHasDiskPressure"),
        ({"inodes_available_percent": 1.0}, "DiskPressure", "KubeletHasDiskPressure"),
        ({"pid_available_percent": 5.0}, "PIDPressure", "KubeletHasInsufficientPID"),
    ],
)
def test_pressure_is_told(pressure: dict[str, float], kind: str, reason: str) -> None:
    observed = replace(_OBSERVED, pressure=replace(_PLENTY, **pressure))  # type: ignore[arg-type]
    status = node_status(_CONFIG, observed, NodeStatus(), _NOW)
    assert _condition(status, kind) == ("True", reason)
    others = {"MemoryPressure", "DiskPressure", "PIDPressure"} - {kind}
    assert all(_condition(status, other)[0] == "False" for other in others)


def test_a_node_with_a_problem_is_not_ready_and_tells_since_when() -> None:
    good = node_status(_CONFIG, _OBSERVED, NodeStatus(), _NOW)
    later = _NOW + timedelta(minutes=5)
    bad = node_status(_CONFIG, replace(_OBSERVED, problems=("no Docker",)), good, later)
    ready_condition = next(c for c in bad.conditions if c.type == "Ready")
    assert (ready_condition.status, ready_condition.message) == ("False", "no Docker")
    assert ready_condition.last_transition_time == later
    memory = next(c for c in bad.conditions if c.type == "MemoryPressure")
    assert (memory.last_transition_time, memory.last_heartbeat_time) == (_NOW, later)
    assert not same_but_heartbeat(good, bad)
    assert same_but_heartbeat(good, node_status(_CONFIG, _OBSERVED, good, later))


def test_this_machine_can_be_read() -> None:
    machine, pressure = read_machine(Path("/var/lib/none/such")), read_pressure(Path("/"))
    assert machine.cpu_count >= 1
    assert machine.memory_bytes > 2**20
    assert machine.kernel_version
    assert 0 <= pressure.pid_available_percent <= 100
    assert node_address()


@pytest.mark.docker
def test_the_node_registers_with_a_lease_and_comes_back_when_deleted(cluster: Cluster) -> None:
    cluster.start_agent(node_labels={"zone": "a"}, register_with_taints=("kept=us:NoSchedule", "new:PreferNoSchedule"))
    until(lambda: any(_is_ready(node) for node in cluster.api.items(Node)))
    node = cluster.api.items(Node)[0]
    assert node.metadata.name == NODE
    assert node.metadata.labels["zone"] == "a"
    assert [(one.key, one.value, one.effect) for one in node.spec.taints] == [
        ("kept", "us", "NoSchedule"),
        ("new", "", "PreferNoSchedule"),
    ]
    assert [(a.type, a.address) for a in node.status.addresses] == [("InternalIP", "127.0.0.1"), ("Hostname", NODE)]
    until(lambda: bool(cluster.api.items(Lease)))
    first = cluster.api.items(Lease)[0].spec.renew_time
    until(lambda: cluster.api.items(Lease)[0].spec.renew_time != first)
    cluster.api.delete(Node, NODE)
    until(lambda: any(_is_ready(item) for item in cluster.api.items(Node)))
    assert cluster.api.items(Node)[0].metadata.uid != node.metadata.uid
    until(lambda: f"Node {NODE} status is now: NodeReady" in cluster.events("NodeReady"))


@pytest.mark.docker
def test_pressure_that_comes_and_goes_is_told_by_events(cluster: Cluster) -> None:
    agent = cluster.start_agent(pressure_look_s=0.1)
    until(lambda: bool(cluster.events("NodeHasSufficientPID")))
    agent.pressure = lambda: replace(_PLENTY, pid_available_percent=5.0)
    told = [f"Node {NODE} status is now: NodeHasInsufficientPID"]
    until(lambda: cluster.events("NodeHasInsufficientPID") == told)
    agent.pressure = lambda: _PLENTY

    def told_again() -> bool:
        return [one.count for one in cluster.api.items(Event) if one.reason == "NodeHasSufficientPID"] == [2]

    until(told_again)
    assert [cluster.events(word) for word in ("NodeHasNoDiskPressure", "NodeHasDiskPressure")] == [
        [f"Node {NODE} status is now: NodeHasNoDiskPressure"], [],
    ]  # fmt: skip


def _is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


@pytest.mark.docker
def test_pods_wait_for_the_nodes_pod_cidr(cluster: Cluster) -> None:
    cluster.start_agent(pod_cidr="")
    cluster.create("web", "exec sleep 1000")
    until(lambda: bool(cluster.events("FailedCreatePodSandBox")))
    node = next(node for node in cluster.api.items(Node))
    assert not _is_ready(node)
    cluster.api.patch(Node, NODE, "", {"spec": {"podCIDR": cluster.cidr}}, form="merge")
    cluster.wait_pod("web", ready)
    until(lambda: _is_ready(cluster.api.items(Node)[0]))


@pytest.mark.docker
def test_a_docker_that_comes_later_makes_the_node_ready(cluster: Cluster) -> None:
    socket = cluster.directory / "docker.sock"
    socket.parent.mkdir(parents=True)
    cluster.start_agent(docker_host=f"unix://{socket}")
    cluster.create("web", "exec sleep 1000")
    until(lambda: any("container runtime is down" in _ready_message(node) for node in cluster.api.items(Node)))
    socket.symlink_to("/var/run/docker.sock")
    cluster.wait_pod("web", ready)
    until(lambda: _is_ready(cluster.api.items(Node)[0]))


@pytest.mark.docker
def test_a_look_at_the_network_that_fails_late_does_not_undo_a_later_one(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = cluster.start_agent()
    until(lambda: any(_is_ready(item) for item in cluster.api.items(Node)))
    node = cluster.api.items(Node)[0]
    networks, first, began, later_ended = agent.docker.networks, threading.Lock(), threading.Event(), threading.Event()

    def slow_once(name: str) -> list[dict[str, Any]]:
        if not first.acquire(blocking=False):
            return networks(name)
        began.set()
        later_ended.wait(1.0)  # it never does, when there is one look at a time
        raise RuntimeUnreachable("Docker was not there yet")

    monkeypatch.setattr(agent.docker, "networks", slow_once)
    early = threading.Thread(target=agent._ensure_network, args=(node,))
    early.start()
    began.wait()
    agent._ensure_network(node)
    later_ended.set()
    early.join()
    assert agent._observe_node().problems == ()


def _ready_message(node: Node) -> str:
    return next((c.message for c in node.status.conditions if c.type == "Ready"), "")


def test_a_node_that_was_given_up_while_it_was_cut_off_says_at_once_that_it_is_ready(cluster: Cluster) -> None:
    cluster.start_agent()

    def told() -> str:
        nodes = [node for node in cluster.api.items(Node) if node.metadata.name == NODE]
        return next((c.status for node in nodes for c in node.status.conditions if c.type == "Ready"), "")

    until(lambda: told() == "True")
    lost = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    cluster.api.patch(Node, NODE, "", {"status": {"conditions": [lost]}}, subresource="status", form="merge")
    until(lambda: told() == "True")

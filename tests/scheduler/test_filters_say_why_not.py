"""Filters: where a pod can run, and Kubernetes' reasons why not."""

from typing import Any

import pytest

from api.core import Pod
from master.scheduler.amounts import requests, scored_requests
from master.scheduler.filters import FILTERS
from master.scheduler.nodestate import NodeState
from master.scheduler.profile import Profile
from master.scheduler.wish import Wish
from tests.scheduler.made import node, pod, state

READY = [{"type": "Ready", "status": "True"}]
TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
NAMED = {"key": "metadata.name", "operator": "In", "values": ["n"]}
UNFIT = "node(s) didn't match Pod's node affinity/selector"


def needs(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("wish", "place", "reason"),
    [
        (pod(), state(), ""),
        (pod(nodeName="n"), state(), ""),
        (pod(nodeName="other"), state(), "node(s) didn't match the requested node name"),
        (pod(), state(node(spec={"unschedulable": True})), "node(s) were unschedulable"),
        (
            pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]),
            state(node(spec={"unschedulable": True})),
            "",
        ),
        (pod(), state(node(conditions=[])), "node(s) were not ready"),
        (pod(), state(node(conditions=[{"type": "Ready", "status": "Unknown"}])), "node(s) were not ready"),
        (pod(tolerations=[{"operator": "Exists"}]), state(node(conditions=[])), ""),
        (
            pod(tolerations=[{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}]),
            state(node(conditions=[])),
            "node(s) were not ready",
        ),
        (pod(), state(node(spec={"taints": [TAINT]})), "node(s) had untolerated taint {gpu: yes}"),
        (pod(), state(node(spec={"taints": [{**TAINT, "effect": "PreferNoSchedule"}]})), ""),
        (pod(tolerations=[{"key": "gpu", "value": "yes"}]), state(node(spec={"taints": [TAINT]})), ""),
        (pod(tolerations=[{"key": "gpu", "operator": "Exists"}]), state(node(spec={"taints": [TAINT]})), ""),
        (
            pod(tolerations=[{"key": "gpu", "value": "no"}]),
            state(node(spec={"taints": [TAINT]})),
            "node(s) had untolerated taint {gpu: yes}",
        ),
        (
            pod(tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}]),
            state(node(spec={"taints": [TAINT]})),
            "node(s) had untolerated taint {gpu: yes}",
        ),
        (pod(nodeSelector={"disk": "ssd"}), state(), UNFIT),
        (pod(nodeSelector={"disk": "ssd"}), state(node(labels={"disk": "ssd"})), ""),
        (pod(**needs(expression("zone", "In", "a", "b"))), state(node(labels={"zone": "b"})), ""),
        (pod(**needs(expression("zone", "In", "a"))), state(), UNFIT),
        (pod(**needs(expression("zone", "NotIn", "a"))), state(), ""),
        (pod(**needs(expression("zone", "Exists"))), state(), UNFIT),
        (pod(**needs(expression("zone", "DoesNotExist"))), state(), ""),
        (pod(**needs(expression("cores", "Gt", "3"))), state(node(labels={"cores": "4"})), ""),
        (pod(**needs(expression("cores", "Lt", "3"))), state(node(labels={"cores": "4"})), UNFIT),
        (pod(**needs(expression("cores", "Gt", "x"))), state(node(labels={"cores": "4"})), UNFIT),
        (pod(**needs(expression("cores", "Gt"))), state(node(labels={"cores": "4"})), UNFIT),
        (
            pod(**needs(expression("zone", "Exists"), expression("disk", "Exists"))),
            state(node(labels={"disk": "x"})),
            "",
        ),
        (pod(**needs(expression("cores", "Gt", "3"))), state(), UNFIT),
        (pod(**needs(expression("cores", "Gt", "3"))), state(node(labels={"cores": "1_0"})), UNFIT),
        (pod(**needs(expression("cores", "Lt", "3"))), state(node(labels={"cores": "2"})), ""),
        (pod(**needs(expression("zone", "NotIn", "a"))), state(node(labels={"zone": "a"})), UNFIT),
        (pod(**needs(expression("zone", "Exists"))), state(node(labels={"zone": ""})), ""),
        (pod(**needs(expression("zone", "DoesNotExist"))), state(node(labels={"zone": ""})), UNFIT),
        (
            pod(nodeSelector={"disk": "ssd"}, **needs(expression("zone", "Exists"))),
            state(node(labels={"zone": "a"})),
            UNFIT,
        ),
        (
            pod(**needs({**expression("zone", "Exists"), "matchFields": [NAMED]})),
            state(node("other", labels={"zone": "a"})),
            UNFIT,
        ),
        (pod(**needs({})), state(), UNFIT),
        (pod(**needs()), state(), UNFIT),
        (
            pod(**needs({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]})),
            state(),
            "",
        ),
        (pod(cpu="4"), state(), ""),
        (pod(cpu="4001m"), state(), "Insufficient cpu"),
        (pod(cpu="1500m"), state(node(), pod("x", cpu="2500m")), ""),
        (pod(cpu="1501m"), state(node(), pod("x", cpu="2500m")), "Insufficient cpu"),
        (pod(memory="8Gi"), state(node(), pod("x", memory="1")), "Insufficient memory"),
        (pod(gpu="1"), state(), "Insufficient example.com/gpu"),
        (pod(gpu="1"), state(node(room={"example.com/gpu": "1"})), ""),
        (pod(gpu="1"), state(node(room={"example.com/gpu": "1"}), pod("x", gpu="1")), "Insufficient example.com/gpu"),
        (pod(disk="1Gi"), state(node(room={"ephemeral-storage": "1G"})), "Insufficient ephemeral-storage"),
        (pod(disk="1G"), state(node(room={"ephemeral-storage": "1Gi"})), ""),
        (pod(cpu="5", memory="9Gi"), state(), "Insufficient cpu, Insufficient memory"),
        (pod(cpu="5"), state(node(room={"pods": "0"})), "Too many pods, Insufficient cpu"),
        (
            pod(),
            state(node(conditions=[*READY, {"type": "DiskPressure", "status": "True"}])),
            "node(s) had disk pressure",
        ),
        (
            pod(),
            state(node(conditions=[*READY, {"type": "PIDPressure", "status": "True"}])),
            "node(s) had pid pressure",
        ),
        (
            pod(),
            state(node(conditions=[*READY, {"type": "NetworkUnavailable", "status": "True"}])),
            "node(s) had unavailable network",
        ),
        (
            pod(),
            state(node(conditions=[*READY, {"type": "MemoryPressure", "status": "True"}])),
            "node(s) had memory pressure",
        ),
        (pod(cpu="1"), state(node(conditions=[*READY, {"type": "MemoryPressure", "status": "True"}])), ""),
        (
            pod(tolerations=[{"key": "node.kubernetes.io/disk-pressure", "operator": "Exists"}]),
            state(node(conditions=[*READY, {"type": "DiskPressure", "status": "True"}])),
            "",
        ),
        (
            pod(tolerations=[{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}]),
            state(node(conditions=[*READY, {"type": "DiskPressure", "status": "True"}])),
            "node(s) had disk pressure",
        ),
        (pod(gpu="0"), state(), ""),
        (pod(), state(node(room={"pods": "1"}), pod("x")), "Too many pods"),
        (
            pod(ports=[{"containerPort": 80, "hostPort": 80}]),
            state(node(), pod("x", ports=[{"containerPort": 80, "hostPort": 80}])),
            "node(s) didn't have free ports for the requested pod ports",
        ),
        (
            pod(ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}]),
            state(node(), pod("x", ports=[{"containerPort": 80, "hostPort": 80}])),
            "node(s) didn't have free ports for the requested pod ports",
        ),
        (
            pod(ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}]),
            state(node(), pod("x", ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.2"}])),
            "",
        ),
        (
            pod(ports=[{"containerPort": 80, "hostPort": 80, "protocol": "UDP"}]),
            state(node(), pod("x", ports=[{"containerPort": 80, "hostPort": 80}])),
            "",
        ),
    ],
)
def test_a_filter_says_why_not(wish: Pod, place: NodeState, reason: str) -> None:
    refusal = Profile().refusal(Wish.of(wish), place)
    assert ", ".join(refusal.reasons if refusal is not None else ()) == reason


@pytest.mark.parametrize(
    ("wish", "place", "curable"),
    [
        (pod(cpu="3"), state(node(), pod("x", cpu="2")), True),
        (pod(cpu="5"), state(node(), pod("x", cpu="2")), False),
        (pod(nodeSelector={"disk": "ssd"}), state(), False),
        (pod(), state(node(spec={"taints": [TAINT]})), False),
        (
            pod(ports=[{"containerPort": 80, "hostPort": 80}]),
            state(node(), pod("x", ports=[{"containerPort": 80, "hostPort": 80}])),
            True,
        ),
    ],
)
def test_a_refusal_says_whether_it_could_help_to_remove_pods(wish: Pod, place: NodeState, curable: bool) -> None:
    refusal = Profile().refusal(Wish.of(wish), place)
    assert refusal is not None
    assert refusal.curable == curable


def test_every_filter_has_a_name_of_its_own_and_says_what_may_help() -> None:
    assert len({one.name for one in FILTERS}) == len(FILTERS)
    assert all(one.helped_by for one in FILTERS)


def container(cpu: str, **more: Any) -> dict[str, Any]:
    return {"name": f"c{cpu}", "resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "millis"),
    [
        ({"containers": [container("1"), container("500m")]}, 1500),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, 3000),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container("1")], "initContainers": [container("2", restartPolicy="Always")]}, 3000),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("2", restartPolicy="Always"), container("3")],
            },
            5000,
        ),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("3"), container("2", restartPolicy="Always")],
            },
            3000,
        ),
        ({"containers": [container("0.1m")]}, 1),
    ],
)
def test_what_a_pod_needs(spec: dict[str, Any], millis: int) -> None:
    assert requests(pod(**spec).spec) == {"cpu": millis}


def test_what_the_pod_as_a_whole_asks_for_counts_instead() -> None:
    whole = {"resources": {"requests": {"cpu": "3"}}, "containers": [container("1"), container("1500m")]}
    assert requests(pod(**whole).spec) == {"cpu": 3000}


def test_a_pod_that_is_moved_or_removed_gives_its_room_back() -> None:
    port = [{"containerPort": 80, "hostPort": 80}]
    place = state(node(), pod("x", cpu="1", memory="1Gi", owner="rc", ports=port))
    place.remove("x")
    place.remove("x")
    assert place.requested == {"cpu": 0, "memory": 0}
    assert (place.scored_cpu, place.scored_memory) == (0, 0)
    assert not place.ports
    assert not place.owners
    assert not place.priorities


def test_scores_count_a_guess_where_nothing_is_said_and_the_whole_pods_word_before_all() -> None:
    """100m and 200 MiB for each container, init containers and sidecars as requests count them."""
    mebi = 2**20
    guessed = pod(containers=[{"name": "a"}, {"name": "b"}])
    assert scored_requests(guessed.spec) == (200, 400 * mebi)
    first = pod(memory="1Mi", initContainers=[{"name": "i", "resources": {"requests": {"cpu": "1"}}}])
    assert scored_requests(first.spec) == (1000, 200 * mebi)
    whole = pod(containers=[{"name": "a"}], resources={"requests": {"cpu": "3"}})
    assert scored_requests(whole.spec) == (3000, 200 * mebi)

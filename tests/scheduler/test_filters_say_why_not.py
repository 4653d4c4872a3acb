"""Filters: where a pod can run, and Kubernetes' reasons why not."""

from typing import Any

import pytest

from api.core import Pod
from master.scheduler.cluster import NodeState, requests
from master.scheduler.filters import Wish, why_not
from tests.scheduler.made import node, pod, state

TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
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
        (pod(gpu="1"), state(), "Insufficient gpu"),
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
    assert why_not(Wish.of(wish), place) == reason


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


def test_a_pod_that_is_moved_or_removed_gives_its_room_back() -> None:
    place = state(node(), pod("x", cpu="1", memory="1Gi"))
    place.remove("x")
    place.remove("x")
    assert place.requested == {"cpu": 0, "memory": 0}
    assert (place.scored_cpu, place.scored_memory) == (0, 0)

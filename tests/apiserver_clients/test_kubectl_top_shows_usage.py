"""``kubectl top`` of three generations, over ``metrics.k8s.io`` and a node whose agent is played by the test.

The agent's counters rise by a known rate: half a core for one container and a tenth for the other.
"""

import re
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from kubectls import Kubectl
from played_agent import PlayedAgent, agent_that, node_at
from tests_apiserver import Api, pod

from master import pki

METRICS = "/apis/metrics.k8s.io/v1beta1"


class _Agent(PlayedAgent):
    """/metrics/resource of one pod with two containers."""

    namespace: ClassVar[str] = ""
    asked: ClassVar[list[str]] = []

    def lines(self) -> list[str]:
        self.asked.append(self.path)
        now = time.time()
        lines = [f"node_cpu_usage_seconds_total {now * 0.75} {now * 1000:.0f}"]
        lines.append(f"node_memory_working_set_bytes {3 * 2**30} {now * 1000:.0f}")
        for container, cores, mebibytes in (("app", 0.5, 64), ("side", 0.1, 16)):
            labels = f'{{container="{container}",namespace="{self.namespace}",pod="web"}}'
            lines.append(f"container_cpu_usage_seconds_total{labels} {now * cores} {now * 1000:.0f}")
            lines.append(f"container_memory_working_set_bytes{labels} {mebibytes * 2**20} {now * 1000:.0f}")
        return lines


@pytest.fixture(scope="module")
def agent(certificates: pki.Pki) -> Iterator[int]:
    with agent_that(_Agent, certificates) as port:
        yield port


def node_with(name: str, port: int) -> dict[str, Any]:
    holds = {"cpu": "2", "memory": "4Gi"}
    node = node_at(port, name, allocatable=holds, capacity=holds)
    node["metadata"]["labels"] = {"tier": name}
    return node


@pytest.fixture
def node(admin: Api, agent: int, namespace: str) -> Iterator[str]:
    """A node that answers, with the pod on it, and beside it one that does not."""
    _Agent.namespace = namespace
    names = [f"node-{namespace}", f"away-{namespace}"]
    for name, port in zip(names, (agent, 1), strict=True):
        assert admin.post("/api/v1/nodes", node_with(name, port)).status == 201
    web = pod("web", nodeName=names[0])
    web["spec"]["containers"] = [{"name": name, "image": "i"} for name in ("app", "side")]
    web["metadata"]["labels"] = {"app": "web"}
    elsewhere = pod("lost", nodeName=names[1])
    for made in (web, elsewhere):
        assert admin.post(f"/api/v1/namespaces/{namespace}/pods", made).status == 201
    yield names[0]
    for name in names:
        admin.delete(f"/api/v1/nodes/{name}")


def test_top_tells_nodes_pods_and_containers(kubectl: Kubectl, node: str) -> None:
    header, *rows = kubectl("top", "nodes").splitlines()
    assert header.split() == ["NAME", "CPU(cores)", header.split()[2], "MEMORY(bytes)", header.split()[4]]
    (row,) = [row.split() for row in rows if row.startswith(node)]
    assert 700 <= int(row[1].removesuffix("m")) <= 800
    assert 35 <= int(row[2].removesuffix("%")) <= 40
    assert row[3:] == ["3072Mi", "75%"]

    header, *rows = kubectl("top", "pods").splitlines()
    assert header.split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    (row,) = [row.split() for row in rows]
    assert (row[0], row[2]) == ("web", "80Mi")
    assert 570 <= int(row[1].removesuffix("m")) <= 630

    _, *rows = kubectl("top", "pod", "web", "--containers", "--no-headers=false").splitlines()
    told = {row.split()[1]: row.split()[2:] for row in rows}
    assert told["app"][1] == "64Mi"
    assert told["side"][1] == "16Mi"
    assert 470 <= int(told["app"][0].removesuffix("m")) <= 530
    assert "web" in kubectl("top", "pods", "-l", "app=web")
    assert "web" in kubectl("top", "pods", "--all-namespaces")
    assert "NotFound" in kubectl.refused("top", "pod", "lost") or "not found" in kubectl.refused("top", "pod", "lost")


def test_usage_is_served_as_objects_lists_and_tables(kubectl: Kubectl, node: str) -> None:
    assert re.search(r"^web +\d+m +80Mi +\d", kubectl("get", "pods.metrics.k8s.io"), re.MULTILINE)
    kinds = kubectl("get", "podmetrics,nodemetrics", "-o", "jsonpath={.items[*].kind}") if not kubectl.is_old else ""
    assert "PodMetrics" in kinds or kubectl.is_old


def test_an_absent_node_is_left_out_and_labels_select(admin: Api, node: str, namespace: str) -> None:
    nodes = admin.get(f"{METRICS}/nodes").json
    assert (nodes["kind"], nodes["apiVersion"]) == ("NodeMetricsList", "metrics.k8s.io/v1beta1")
    names = [item["metadata"]["name"] for item in nodes["items"]]
    assert node in names
    assert f"away-{namespace}" not in names
    assert admin.get(f"{METRICS}/nodes/away-{namespace}").status == 404
    (item,) = admin.get(f"{METRICS}/nodes?labelSelector=tier%3D{node}").json["items"]
    assert item["metadata"]["labels"] == {"tier": node}
    assert re.fullmatch(r"\d+n|\d+u|\d+m", item["usage"]["cpu"])
    assert re.fullmatch(r"[\d.m]+s", item["window"])
    assert item["timestamp"].endswith("Z")
    one = admin.get(f"{METRICS}/namespaces/{namespace}/pods/web").json
    assert (one["kind"], one["metadata"]["labels"]) == ("PodMetrics", {"app": "web"})
    assert [container["name"] for container in one["containers"]] == ["app", "side"]
    assert admin.get(f"{METRICS}/namespaces/{namespace}/pods?labelSelector=app%3Dother").json["items"] == []
    missing = admin.get(f"{METRICS}/namespaces/{namespace}/pods/lost")
    assert missing.status == 404
    assert missing.json["message"] == f'pods.metrics.k8s.io "{namespace}/lost" not found'
    assert admin.post(f"{METRICS}/nodes", {}).status == 405


def test_nobody_is_asked_until_somebody_asks_and_then_once(admin: Api, node: str) -> None:
    admin.get(f"{METRICS}/nodes/{node}")
    asked = len(_Agent.asked)
    for _ in range(5):
        assert admin.get(f"{METRICS}/nodes/{node}").status == 200
    assert len(_Agent.asked) <= asked + 1

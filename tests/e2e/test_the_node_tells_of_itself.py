"""What the agent reports of its node, and what the monitor shows of the pods on it."""

from __future__ import annotations

import datetime
import json
import platform
import re

import psutil
import pytest
import requests

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Object
from tests.e2e.guestbook import Visitor
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster


def test_addresses_and_system_are_reported(node: Object, cluster: Cluster) -> None:
    status = node["status"]
    kinds = {one["type"] for one in status["addresses"]}
    assert {"InternalIP", "Hostname"} <= kinds
    info = status["nodeInfo"]
    assert info["kernelVersion"] == platform.release()
    assert info["operatingSystem"] == "linux"
    assert info["architecture"] == {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    assert info["osImage"]
    version = cluster.docker("version", "--format", "{{.Server.Version}}").strip()
    assert info["containerRuntimeVersion"] == f"docker://{version}"
    assert "steersman" in info["kubeletVersion"]
    assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == cluster.agent_port


def test_capacity_and_allocatable_are_the_machines(node: Object) -> None:
    capacity, allocatable = node["status"]["capacity"], node["status"]["allocatable"]
    assert capacity["cpu"] == str(psutil.cpu_count())
    assert capacity["memory"] == f"{psutil.virtual_memory().total // 1024}Ki"
    assert capacity["pods"] == "110"
    assert set(allocatable) >= {"cpu", "memory", "pods"}


def test_the_node_is_ready_and_its_heart_beats(api: Api, node: Object) -> None:
    name = node["metadata"]["name"]
    conditions = {one["type"]: one for one in node["status"]["conditions"]}
    assert conditions["Ready"]["status"] == "True"
    assert {conditions[kind]["status"] for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")} == {"False"}

    def renewed() -> str:
        lease = api.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
        assert lease["spec"]["holderIdentity"] == name
        return str(lease["spec"]["renewTime"])

    first = renewed()
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(first)
    assert age.total_seconds() < 40
    until(lambda: renewed() != first, limit_s=20, what="the next heartbeat")


def test_the_monitor_counts_each_container_of_the_pods(
    visitor: Visitor, cluster: Cluster, api: Api, node_address: str
) -> None:
    text = requests.get(f"http://{node_address}:{cluster.cadvisor_port}/metrics", timeout=10).text
    for name in ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes"):
        for front in api.ready_pods("name in (frontend,redis-slave,redis-master)"):
            labels = {"namespace": "default", "pod": front["metadata"]["name"]}
            labels["container"] = front["spec"]["containers"][0]["name"]
            lines = [line for line in text.splitlines() if line.startswith(name + "{")]
            found = [line for line in lines if all(f'{key}="{value}"' in line for key, value in labels.items())]
            assert found, f"{name} with {labels}"
            assert float(found[0].rsplit(" ", 2)[1 if found[0].rsplit(" ", 1)[1].isdigit() else -1]) >= 0
    received = [line for line in text.splitlines() if line.startswith("container_network_receive_bytes_total{")]
    assert any(re.search(r'pod="frontend-', line) for line in received)


def test_the_monitors_page_answers(cluster: Cluster, created: str, node_address: str) -> None:
    page = requests.get(f"http://{node_address}:{cluster.cadvisor_port}/", timeout=10)
    assert page.status_code == 200
    assert "<html" in page.text


def test_a_default_account_is_in_every_namespace(api: Api, namespace: str) -> None:
    until(lambda: api.is_there(f"/api/v1/namespaces/{namespace}/serviceaccounts/default"), limit_s=5)


def test_the_doctor_finds_nothing_wrong_with_a_cluster_that_runs(cluster: Cluster) -> None:
    said = cluster.steersman("doctor", "--root", str(cluster.root), "-o", "json", check=False).stdout
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(said)["checks"]:
        found.setdefault(one["check"], []).append((one["result"], one["message"]))
    # What the machine of the test has or lacks is not looked at: its disk, its kernel, its firewall.
    for check in ("ports", "pod and service ranges", "certificates", "api server", "clock", "ip forwarding"):
        assert {result for result, _ in found[check]} == {"ok"}, found[check]
    assert "is ready" in found["api server"][0][1]
    assert "agrees" in found["clock"][0][1]

"""What the agent's port tells of usage, probes and itself."""

import ssl
from typing import Any

import pytest
import urllib3

from agent.instruments import operation_of
from agent.server.stats import Summary
from agent.server.stats_of_disk import Disks
from cadvisor_lite.readers import ContainerSample, CpuSample, Limits
from tests.agent.cluster import NODE, Cluster, ready
from tests.e2e.waiting import until


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("POST", "/v1.41/containers/create", "create_container"),
        ("GET", "/v1.41/containers/json", "list_containers"),
        ("GET", "/v1.41/containers/abc/json", "inspect_container"),
        ("GET", "/v1.41/images/localhost:5/a/b:v1/json", "inspect_image"),
        ("GET", "/v1.41/events", ""),
    ],
)
def test_calls_to_docker_are_counted_by_the_kubelets_words(method: str, path: str, wanted: str) -> None:
    assert operation_of(method, path) == wanted


def _sample(time_s: float, usage_ns: int) -> ContainerSample:
    cpu = CpuSample(usage_ns, 0, 0, 0, 0, 0)
    return ContainerSample(time_s, cpu, None, (), (), None, None, Limits())


class _NoContainers:
    def all(self) -> tuple[()]:
        return ()


def test_a_rate_is_told_from_the_second_reading_on() -> None:
    readings = iter([{"": _sample(100.0, 10**9)}, {"": _sample(102.0, 2 * 10**9)}, {"": _sample(103.0, 5)}])
    disks = Disks(node=lambda: None, images=lambda: (None, 0), pods=dict)
    summary = Summary("n", _NoContainers(), lambda: next(readings), disks)  # type: ignore[arg-type]
    assert "usageNanoCores" not in summary.document()["node"]["cpu"]
    assert summary.document()["node"]["cpu"]["usageNanoCores"] == 5 * 10**8
    assert "usageNanoCores" not in summary.document()["node"]["cpu"]  # the counter has begun anew


@pytest.mark.docker
def test_usage_and_probes_of_a_pod_are_told(shared: Cluster) -> None:
    agent = shared.start_agent()
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    mount = {"name": "scratch", "mountPath": "/mnt"}
    command = "head -c 2000000 /dev/zero | tee /mnt/a > /b; echo hello; exec sleep 1000"
    main = shared.container("main", command, readinessProbe=probe, volumeMounts=[mount])
    shared.create("web", containers=[main], volumes=[{"name": "scratch", "emptyDir": {}}])
    shared.wait_pod("web", ready)
    context = ssl.create_default_context(cafile=str(shared.authority.ca_file))
    certificate = shared.authority.issue("kube-apiserver-kubelet-client", groups=("system:masters",))
    context.load_cert_chain(str(certificate[0]), str(certificate[1]))
    where = f'container="main",namespace="{shared.namespace}",pod="web"'
    with urllib3.PoolManager(ssl_context=context, retries=False) as pool:

        def told(path: str) -> str:
            return pool.request("GET", f"https://127.0.0.1:{agent.server.port}{path}").data.decode()

        resource = told("/metrics/resource")
        assert f"container_cpu_usage_seconds_total{{{where}}} " in resource
        assert f"container_memory_working_set_bytes{{{where}}} " in resource
        assert f'pod_memory_working_set_bytes{{namespace="{shared.namespace}",pod="web"}} ' in resource
        assert "node_cpu_usage_seconds_total " in resource
        assert "scrape_error 0.0" in resource
        until(lambda: "prober_probe_total" in told("/metrics/probes"))
        probes = told("/metrics/probes")
        assert 'probe_type="Readiness"' in probes
        assert 'result="successful"' in probes
        own = told("/metrics")
        assert 'kubelet_runtime_operations_total{operation_type="start_container"}' in own
        assert "kubelet_pod_start_duration_seconds_count" in own
        assert f'kubelet_node_name{{node="{NODE}"}} 1.0' in own
        url = f"https://127.0.0.1:{agent.server.port}/stats/summary"

        def measured() -> bool:
            """The disk is walked for the one who asked; what is asked next tells it."""
            found[:] = [pool.request("GET", url).json()]
            pods = [item for item in found[0]["pods"] if item["podRef"]["namespace"] == shared.namespace]
            return bool(pods) and pods[0].get("ephemeral-storage", {}).get("usedBytes", 0) > 4_000_000

        found: list[Any] = []
        until(measured)
        (summary,) = found
    assert summary["node"]["nodeName"] == NODE
    pod = next(item for item in summary["pods"] if item["podRef"]["namespace"] == shared.namespace)
    assert [container["name"] for container in pod["containers"]] == ["main"]
    assert pod["memory"]["workingSetBytes"] > 0
    assert pod["containers"][0]["cpu"]["usageCoreNanoSeconds"] > 0
    assert pod["network"]["name"] == "eth0"
    (volume,) = pod["volume"]
    assert volume["name"] == "scratch"
    assert 2_000_000 <= volume["usedBytes"] < 2_100_000 < volume["capacityBytes"]
    assert 2_000_000 <= pod["containers"][0]["rootfs"]["usedBytes"] < 2_100_000
    assert pod["containers"][0]["logs"]["usedBytes"] > 0
    assert summary["node"]["fs"]["capacityBytes"] > summary["node"]["fs"]["availableBytes"] > 0
    assert summary["node"]["runtime"]["imageFs"]["usedBytes"] > 0

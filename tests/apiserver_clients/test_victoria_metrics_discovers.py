"""``kubernetes_sd_configs`` for nodes, pods, services, endpoints and endpoint slices, read by victoria-metrics."""

import base64
import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubectls import clients
from tests_apiserver import Api, Running, free_port, pod

from tests.e2e.waiting import until

ROLES = ("node", "pod", "service", "endpoints", "endpointslice")


@pytest.fixture
def targets(
    server: Running, kubeconfig: Path, namespace: str, tmp_path: Path
) -> Iterator[Callable[[str], list[dict[str, str]]]]:
    """The labels of what a job has found, by the name of its role."""
    program = clients() / "victoria-metrics"
    assert program.exists(), f"{program} is not there; run scripts/test-clients"
    config = tmp_path / "scrape.yml"
    config.write_text(yaml.safe_dump(_config(server.url, kubeconfig, namespace, tmp_path)))
    address = f"127.0.0.1:{free_port()}"
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [
            program,
            f"-promscrape.config={config}",
            f"-storageDataPath={tmp_path / 'data'}",
            f"-httpListenAddr={address}",
            "-promscrape.kubernetesSDCheckInterval=1s",
        ],
        stdout=log,
        stderr=log,
    )

    def found(role: str) -> list[dict[str, str]]:
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/targets?state=any", timeout=5) as answer:
                shown = json.load(answer)["data"]
        except OSError:
            return []
        return [
            one["discoveredLabels"]
            for one in shown["activeTargets"] or []
            if one["discoveredLabels"].get("job") == role
        ]

    try:
        yield found
    finally:
        process.kill()
        process.wait(10)
        log.close()


def _config(url: str, kubeconfig: Path, namespace: str, scratch: Path) -> dict[str, Any]:
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    for name, text in (
        ("ca", cluster["certificate-authority-data"]),
        ("crt", user["client-certificate-data"]),
        ("key", user["client-key-data"]),
    ):
        (scratch / name).write_bytes(base64.b64decode(text))
    tls = {"ca_file": f"{scratch}/ca", "cert_file": f"{scratch}/crt", "key_file": f"{scratch}/key"}
    jobs = []
    for role in ROLES:
        discovery: dict[str, Any] = {"role": role, "api_server": url, "tls_config": tls}
        if role != "node":
            discovery["namespaces"] = {"names": [namespace]}
        jobs.append({"job_name": role, "scrape_interval": "1h", "kubernetes_sd_configs": [discovery]})
    return {"scrape_configs": jobs}


def test_each_role_finds_its_targets_and_what_comes_later(
    targets: Callable[[str], list[dict[str, str]]], admin: Api, namespace: str, request: pytest.FixtureRequest
) -> None:
    node = f"node-{namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/nodes/{node}"))
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.9"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }
    admin.post("/api/v1/nodes", {"metadata": {"name": node}, "status": status})
    space = f"/api/v1/namespaces/{namespace}"
    _running_pod(admin, space, node)
    port = {"name": "http", "port": 80}
    admin.post(
        f"{space}/services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [port]}}
    )
    target = {"kind": "Pod", "name": "web", "namespace": namespace}
    address = {"ip": "10.244.0.7", "nodeName": node, "targetRef": target}
    admin.post(
        f"{space}/endpoints", {"metadata": {"name": "web"}, "subsets": [{"addresses": [address], "ports": [port]}]}
    )
    endpoint = {"addresses": ["10.244.0.7"], "conditions": {"ready": True}, "nodeName": node, "targetRef": target}
    piece = {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [port],
    }
    admin.post(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", piece)

    by_node = until(lambda: [one for one in targets("node") if one["__meta_kubernetes_node_name"] == node])[0]
    assert by_node["__address__"] == "127.0.0.9:10250"
    by_pod = until(lambda: targets("pod"))[0]
    assert by_pod["__meta_kubernetes_pod_ip"] == "10.244.0.7"
    assert by_pod["__meta_kubernetes_pod_phase"] == "Running"
    assert by_pod["__meta_kubernetes_pod_container_port_name"] == "http"
    assert by_pod["__meta_kubernetes_pod_node_name"] == node
    by_service = until(lambda: targets("service"))[0]
    assert by_service["__address__"] == f"web.{namespace}.svc:80"
    by_endpoints = until(lambda: targets("endpoints"))[0]
    assert by_endpoints["__meta_kubernetes_pod_name"] == "web"
    by_slice = until(lambda: targets("endpointslice"))[0]
    assert by_slice["__meta_kubernetes_endpointslice_endpoint_conditions_ready"] == "true"
    assert admin.delete(f"{space}/pods/web?gracePeriodSeconds=0").status == 200
    until(lambda: not targets("pod"))


def _running_pod(admin: Api, space: str, node: str) -> None:
    web = pod("web", nodeName=node)
    web["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 80}]
    admin.post(f"{space}/pods", web)
    running = {"phase": "Running", "podIP": "10.244.0.7", "hostIP": "127.0.0.9"}
    assert admin.patch(f"{space}/pods/web/status", {"status": running}, "merge").status == 200

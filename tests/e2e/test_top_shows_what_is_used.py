"""`kubectl top` and `steer top` on a real node: a pod that may use a fifth of a core is told to use it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clusters import Cluster, clean_environment
from tests.e2e.doors import Kubectl, Object
from tests.e2e.pods import pod, shell
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster
WINDOW_S = 4.0
METRICS = "/apis/metrics.k8s.io/v1beta1"
STEER = Path(sys.executable).parent / "steer"


def test_pods_containers_and_nodes_are_told_alike(
    cluster: Cluster, kubectl: Kubectl, run: Callable[..., Object], namespace: str, tmp_path: Path
) -> None:
    limits = {"limits": {"cpu": "200m", "memory": "32Mi"}}
    run(pod("busy", *shell("while :; do :; done"), resources=limits))
    environment = clean_environment(KUBECONFIG=str(cluster.kubeconfig), HOME=str(tmp_path))

    def steer(*words: str) -> str:
        command = [STEER, "-n", namespace, "top", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def told() -> bool:
        # Until the pod has run for a while there are no figures of it, and kubectl calls that an error. The first ones
        # are of a second, at whose ends there are a tenth each in which the kernel gives out a share at once.
        items = json.loads(kubectl("get", "--raw", f"{METRICS}/namespaces/{namespace}/pods"))["items"]
        used = [one for one in items if any(container["usage"]["cpu"] != "0" for container in one["containers"])]
        return any(float(one["window"].removesuffix("s")) >= WINDOW_S for one in used)

    until(told, limit_s=60, what="the use of the pod over some seconds")
    name, cpu, memory = kubectl("-n", namespace, "top", "pods", "--no-headers").split()
    assert name == "busy"
    # A fifth, one share more at the edges, and 3 %; how much of it a busy machine gives is not known.
    assert int(cpu.removesuffix("m")) <= 200 * (1 + 0.1 / WINDOW_S) * 1.03
    assert memory.endswith("Mi")
    header, row = steer("pods", "--containers").splitlines()
    assert header.split() == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert row.split()[:2] == ["busy", "main"]
    for shown in (steer("nodes"), kubectl("top", "nodes")):
        header, row = shown.splitlines()
        assert header.split() == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
        assert int(row.split()[1].removesuffix("m")) > 0

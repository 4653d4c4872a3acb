"""kubectl of three generations and steer drain a node whose pods a budget holds, until the budget lets them go."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubectls import GENERATIONS, binary
from tests_apiserver import Api, pod

from tests.e2e.waiting import until

LIMIT_S = 60
STEER = "steer"
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


class Drain:
    """One program that empties a node, and what it says meanwhile."""

    def __init__(self, program: str, node: str, kubeconfig: Path, folder: Path) -> None:
        start = [sys.executable, "-m", "cli.steer.main"] if program == STEER else [binary(program)]
        self._said = (folder / "said").open("w+")
        arguments = [*start, f"--kubeconfig={kubeconfig}", "drain", node, "--force", "--timeout=50s"]
        environment = {**os.environ, "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(arguments, stdout=self._said, stderr=self._said, env=environment)

    @property
    def said(self) -> str:
        self._said.seek(0)
        return self._said.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT_S)
        self._said.close()


@pytest.fixture
def drains(kubeconfig: Path, tmp_path: Path) -> Iterator[dict[str, Drain]]:
    """All at once, each of a node of its own: to wait for a budget takes five seconds."""
    started: dict[str, Drain] = {}
    yield started
    for drain in started.values():
        drain.close()


def test_a_drain_waits_for_the_budget(
    admin: Api, namespace: str, kubeconfig: Path, tmp_path: Path, drains: dict[str, Drain]
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    budget = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"selector": {}, "minAvailable": 1}
    assert admin.post(budget, {"metadata": {"name": "all"}, "spec": spec}).status == 201
    told = {"observedGeneration": 1, "currentHealthy": 4, "desiredHealthy": 4, "expectedPods": 4}
    assert admin.patch(f"{budget}/all/status", {"status": told}, "merge").status == 200
    for number, program in enumerate((*GENERATIONS, STEER)):
        node = f"{namespace}-{number}"
        assert admin.post("/api/v1/nodes", {"metadata": {"name": node}}).status == 201
        assert admin.post(pods, pod(node, nodeName=node, terminationGracePeriodSeconds=0)).status == 201
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        assert admin.patch(f"{pods}/{node}/status", {"status": ready}).status == 200
        folder = tmp_path / program
        folder.mkdir()
        drains[program] = Drain(program, node, kubeconfig, folder)
    for drain in drains.values():
        until(lambda drain=drain: REFUSED in drain.said, limit_s=LIMIT_S)  # type: ignore[misc]
        assert "will retry after 5s" in drain.said
    assert len(admin.get(pods).json["items"]) == 4
    allowed = {"status": {"disruptionsAllowed": 4}}
    assert admin.patch(f"{budget}/all/status", allowed, "merge").status == 200
    for drain in drains.values():
        assert drain.process.wait(LIMIT_S) == 0, drain.said
        assert " evicted" in drain.said
    assert admin.get(pods).json["items"] == []
    assert admin.get(f"{budget}/all").json["status"]["disruptionsAllowed"] == 0
    for number in range(len(drains)):
        admin.delete(f"/api/v1/nodes/{namespace}-{number}")

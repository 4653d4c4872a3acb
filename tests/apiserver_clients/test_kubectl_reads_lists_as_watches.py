"""The newest client-go (in kubectl) fills its informers by a watch that ends its list with a bookmark (WatchList)."""

import os
import subprocess
from pathlib import Path

import pytest
from kubectls import DEPLOYMENT, NEW, Kubectl, binary
from tests_apiserver import Api

END = "received the bookmark that marks the end of initial events stream"
PATH = "/apis/apps/v1/namespaces/{}/deployments/web"


@pytest.fixture
def kubectl(kubeconfig: Path, namespace: str, tmp_path: Path) -> Kubectl:
    return Kubectl(NEW, binary(NEW), kubeconfig, namespace, tmp_path)


def test_an_informer_is_filled_by_a_watch_and_goes_on(kubectl: Kubectl, admin: Api, tmp_path: Path) -> None:
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    command = kubectl.command("rollout", "status", "deployment/web", "--timeout=60s", "-v=8")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    try:
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if END in line:
                break
        # What comes after the bookmark is told by the same watch.
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
        answer = admin.patch(
            f"{PATH.format(kubectl.namespace)}/status", {"status": {"observedGeneration": 1, **counts}}, "merge"
        )
        assert answer.status == 200, answer.data
        said += process.communicate(timeout=60)[0].splitlines(keepends=True)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, "".join(said)
    asked = [line for line in said if '"Request" verb="GET"' in line and "/deployments?" in line]
    assert len(asked) == 1, asked
    assert "resourceVersionMatch=NotOlderThan&sendInitialEvents=true" in asked[0]
    assert sum(END in line for line in said) == 1
    assert not [line for line in said if "Failed to" in line or "falling back" in line.lower()]

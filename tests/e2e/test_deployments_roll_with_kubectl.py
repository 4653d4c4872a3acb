"""Deployments as people use them every day: create, set image, rollout status, history and undo."""

from __future__ import annotations

import pytest

from tests.e2e.doors import Api, Kubectl
from tests.e2e.pods import IMAGE

pytestmark = pytest.mark.cluster


def test_a_deployment_is_made_changed_and_taken_back(kubectl: Kubectl, api: Api, namespace: str) -> None:
    def images() -> set[str]:
        pods = api.items("pods", namespace)
        living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return {pod["spec"]["containers"][0]["image"] for pod in living}

    first = IMAGE
    second = first.rpartition(":")[0] + ":latest" if not first.endswith(":latest") else first.rpartition(":")[0] + ":1"
    made = kubectl(
        "-n", namespace, "create", "deployment", "web", f"--image={first}", "--replicas=2", "--", "/bin/sleep", "3600"
    )
    assert made == "deployment.apps/web created\n"
    never = '{"spec":{"template":{"spec":{"containers":[{"name":"%s","imagePullPolicy":"IfNotPresent"}],%s}}}}'
    name = kubectl.json("-n", namespace, "get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0][
        "name"
    ]
    kubectl("-n", namespace, "patch", "deployment", "web", "-p", never % (name, '"terminationGracePeriodSeconds":0'))
    done = kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    assert done.endswith('deployment "web" successfully rolled out\n')
    assert images() == {first}
    kubectl("-n", namespace, "set", "image", "deployment/web", f"{name}={second}")
    kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    assert images() == {second}
    history = kubectl("-n", namespace, "rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2", "3"]
    kubectl("-n", namespace, "rollout", "undo", "deployment/web")
    kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    assert images() == {first}
    assert "web" in kubectl("-n", namespace, "get", "deploy,rs")

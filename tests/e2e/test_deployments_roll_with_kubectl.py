"""Deployments as people use them every day: create, set image, rollout status, history and undo."""

from __future__ import annotations

import pytest

from tests.e2e.doors import Api, Kubectl
from tests.e2e.guestbook import TEST_IMAGE

pytestmark = pytest.mark.cluster
FIRST, SECOND = TEST_IMAGE, TEST_IMAGE.replace(":1", ":latest")


def test_a_deployment_is_made_changed_and_taken_back(kubectl: Kubectl, api: Api, namespace: str) -> None:
    def images() -> set[str]:
        living = [pod for pod in api.items("pods", namespace) if "deletionTimestamp" not in pod["metadata"]]
        return {pod["spec"]["containers"][0]["image"] for pod in living}

    def do(*arguments: str) -> str:
        return kubectl("-n", namespace, *arguments)

    def rolled_out() -> None:
        done = do("rollout", "status", "deployment/web", "--timeout=60s")
        assert done.endswith('deployment "web" successfully rolled out\n')

    made = do("create", "deployment", "web", f"--image={FIRST}", "--replicas=2", "--", "/bin/sleep", "3600")
    assert made == "deployment.apps/web created\n"
    rolled_out()
    assert images() == {FIRST}
    # The image ":latest" would be pulled at each start otherwise, and sleep, as process 1, does not hear TERM.
    container = '{"name":"busybox","imagePullPolicy":"IfNotPresent"}'
    spec = f'{{"terminationGracePeriodSeconds":0,"containers":[{container}]}}'
    do("patch", "deployment", "web", "-p", f'{{"spec":{{"template":{{"spec":{spec}}}}}}}')
    do("set", "image", "deployment/web", f"busybox={SECOND}")
    rolled_out()
    assert images() == {SECOND}
    history = do("rollout", "history", "deployment/web")
    revisions = [line.split()[0] for line in history.splitlines()[2:] if line]
    assert revisions[-1] == max(revisions) >= "2"
    do("rollout", "undo", "deployment/web")
    rolled_out()
    assert images() == {FIRST}
    assert do("get", "deployment", "web").splitlines()[1].split()[:4] == ["web", "2/2", "2", "2"]

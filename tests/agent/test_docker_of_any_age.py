"""The agent speaks the newest version of Docker's API that the daemon knows, from 1.13's on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.runtime.docker import Docker
from tests.agent.cluster import Cluster, ready, restarts
from tests.agent.old_docker import OldDocker
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker
OF_DOCKER_1_13 = "1.25"


@pytest.fixture
def old() -> Iterator[OldDocker]:
    with tempfile.TemporaryDirectory(prefix="old-docker-") as folder:
        made = OldDocker(Path(folder) / "docker.sock", OF_DOCKER_1_13)
        try:
            yield made
        finally:
            made.close()


def test_a_pod_lives_and_ends_on_docker_1_13(cluster: Cluster, old: OldDocker) -> None:
    agent = cluster.start_agent(docker_host=old.host)
    probe = {"exec": {"command": ["cat", "/work/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    command = "echo yes > /work/alive; trap 'exit 0' TERM; sleep 1000 & wait"
    mounts = [{"name": "work", "mountPath": "/work"}]
    container = cluster.container("main", command, readinessProbe=probe, volumeMounts=mounts)
    cluster.create("web", containers=[container], volumes=[{"name": "work", "emptyDir": {}}])
    pod = cluster.wait_pod("web", ready)
    assert pod.status.pod_ip.startswith(cluster.cidr.rpartition(".")[0] + ".")
    cluster.docker.kill(pod.status.container_statuses[0].container_id.removeprefix("docker://"))
    cluster.wait_pod("web", lambda pod: restarts(pod) == 1 and ready(pod))
    cluster.delete("web")
    cluster.wait_gone("web")
    until(lambda: cluster.containers() == [])
    versions = {path.split("/")[1] for path in old.paths if path.startswith("/v1.")}
    assert versions == {f"v{OF_DOCKER_1_13}"}
    assert agent.docker.facts().api_version == (1, 25)


def test_a_daemon_that_knows_more_is_asked_in_its_own_version() -> None:
    docker = Docker("unix:///var/run/docker.sock", cluster="nobody", timeout_s=10)
    try:
        assert docker.facts().api_version >= (1, 25)
        assert docker.states() == {}
    finally:
        docker.close()

"""The agent on Podman's Docker-compatible socket: the same life of a pod."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.api import APIClient

from agent.network.traces import cleanup, seen
from agent.runtime.pause import PAUSE_IMAGE
from tests.agent.certificates import Authority
from tests.agent.cluster import Cluster, free_cidr, ready, restarts
from tests.agent.doors import client, master, url
from tests.agent.podman import Podman
from tests.e2e.clusters import Cluster as WholeCluster
from tests.e2e.clusters import Slot, free_slot
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.long]


@pytest.fixture
def podman() -> Iterator[Podman]:
    with tempfile.TemporaryDirectory(prefix="st-podman-") as folder:
        made = Podman(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.remove()


@pytest.fixture
def cluster(podman: Podman, rootfs: bytes, authority: Authority, tmp_path: Path) -> Iterator[Cluster]:
    unique, slot = uuid.uuid4().hex[:8], free_slot(150 + os.getpid())
    image = f"localhost/steersman-test/busybox:{unique}"
    podman.run("import", "-", image, stdin=rootfs)
    api = APIClient(podman.host, version="auto", timeout=30)
    made = Cluster(slot.name, slot.bridge, free_cidr(), tmp_path, api, image, authority)
    try:
        yield made
    finally:
        for agent in list(made.agents):
            made.stop_agent(agent)
        podman.run("rm", "--all", "--force", "--time=0")
        made.clean()
        api.close()
        cleanup(made.name, made.bridge)


def test_a_pod_lives_and_ends_on_podman(cluster: Cluster, podman: Podman) -> None:
    settings = {"docker_host": podman.host}
    agent = cluster.start_agent(**settings)
    probe = {"exec": {"command": ["cat", "/work/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    command = "echo yes > /work/alive; echo begun; trap 'exit 0' TERM; sleep 1000 & wait"
    mounts = [{"name": "work", "mountPath": "/work"}]
    container = cluster.container("main", command, readinessProbe=probe, volumeMounts=mounts)
    cluster.create("web", containers=[container], volumes=[{"name": "work", "emptyDir": {}}])
    pod = cluster.wait_pod("web", ready, timeout_s=40)
    assert pod.status.pod_ip.startswith(cluster.cidr.rpartition(".")[0] + ".")
    first = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    with client(cluster, master(cluster)) as pool:
        log = url(agent, f"/containerLogs/{cluster.namespace}/web/main")
        until(lambda: pool.request("GET", log).data == b"begun\n")
    # Readiness follows the probe, both ways.
    podman.run("exec", first, "rm", "/work/alive")
    cluster.wait_pod("web", lambda pod: not ready(pod))
    podman.run("exec", first, "touch", "/work/alive")
    cluster.wait_pod("web", ready)
    # What ends is started again; the next agent adopts it.
    podman.run("kill", first)
    cluster.wait_pod("web", lambda pod: restarts(pod) == 1 and ready(pod), timeout_s=40)
    cluster.stop_agent(agent)
    running = {row["Id"] for row in cluster.containers(all=False)}
    assert len(running) == 2
    cluster.start_agent(**settings)
    assert {row["Id"] for row in cluster.containers(all=False)} == running
    # A sandbox goes only when nothing is in its namespaces any more.
    cluster.delete("web")
    cluster.wait_gone("web", timeout_s=40)
    assert cluster.containers() == []
    assert PAUSE_IMAGE in podman.run("images", "--format", "{{.Repository}}:{{.Tag}}")


def test_uninstall_removes_containers_before_their_sandboxes(
    cluster: Cluster, podman: Podman, tmp_path_factory: pytest.TempPathFactory
) -> None:
    agent = cluster.start_agent(docker_host=podman.host)
    containers = [cluster.container(name, "exec sleep 1000") for name in ("main", "other")]
    for name in ("a", "b"):
        cluster.create(name, containers=containers)
    for name in ("a", "b"):
        cluster.wait_pod(name, ready, timeout_s=40)
    cluster.stop_agent(agent)
    slot = Slot(int(cluster.name.rpartition("-")[2]))
    told = WholeCluster(slot, tmp_path_factory.mktemp("root"), docker_host=podman.host, keep_images=False).uninstall()
    assert told.count("removed container") == 6
    assert podman.run("ps", "--all", "--quiet") == ""
    assert cluster.docker.networks(names=[cluster.bridge]) == []
    assert "rules of Podman" in told
    assert seen(cluster.name, cluster.bridge) == []

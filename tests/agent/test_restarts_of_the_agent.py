"""An agent that ends, in whatever way, leaves its pods alone; the next one adopts them."""

import os
import pickle
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.codec import encode
from api.core import Pod
from tests.agent.cluster import Cluster, ready, restarts
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker


@contextmanager
def _process(cluster: Cluster, pods: list[Pod]) -> Iterator[subprocess.Popen[bytes]]:
    cluster.directory.mkdir(exist_ok=True)
    pods_file, config_file = cluster.directory / "pods.jsonl", cluster.directory / "config.pickle"
    pods_file.write_bytes(b"\n".join(encode(pod) for pod in pods))
    config_file.write_bytes(pickle.dumps(cluster.config()))
    process = subprocess.Popen([sys.executable, "-m", "tests.agent.agent_process", str(pods_file), str(config_file)])
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def _pods_with_uids(cluster: Cluster, count: int) -> list[Pod]:
    pods = [cluster.pod(f"pod-{number}", "exec sleep 1000") for number in range(count)]
    for pod in pods:
        pod.metadata.uid = str(uuid.uuid4())
    return pods


def test_running_pods_are_adopted_not_restarted(cluster: Cluster) -> None:
    agent = cluster.start_agent()
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 5}
    cluster.create("web", containers=[cluster.container("main", "exec sleep 1000", readinessProbe=probe)])
    cluster.wait_pod("web", ready)
    before = {row["Id"] for row in cluster.containers()}
    cluster.stop_agent(agent)
    assert {row["Id"] for row in cluster.containers(all=False)} == before
    patches = len([call for call in cluster.api.calls if call[0] == "patch/status" and call[1] == "Pod"])
    second = cluster.start_agent()
    until(lambda: second.worker.status(cluster.get("web").metadata.uid) is not None)  # type: ignore[union-attr]
    pod = cluster.wait_pod("web", ready)
    assert restarts(pod) == 0
    assert {row["Id"] for row in cluster.containers()} == before
    # The pod was ready all the time: it has never left its services.
    after = len([call for call in cluster.api.calls if call[0] == "patch/status" and call[1] == "Pod"])
    assert after == patches


def test_a_pod_deleted_while_the_agent_was_away_is_removed(cluster: Cluster) -> None:
    agent = cluster.start_agent()
    cluster.create("stays", "exec sleep 1000")
    cluster.create("goes", "trap 'exit 0' TERM; sleep 1000 & wait")
    cluster.wait_pod("goes", ready)
    cluster.wait_pod("stays", ready)
    cluster.stop_agent(agent)
    cluster.delete("goes", grace_s=0)
    cluster.start_agent()
    until(lambda: len(cluster.containers()) == 2)
    assert all("_stays_" in row["Names"][0] for row in cluster.containers())
    until(lambda: len(list((cluster.directory / "data/pods").iterdir())) == 1)


def test_nothing_is_removed_before_the_master_has_been_reached(cluster: Cluster) -> None:
    agent = cluster.start_agent()
    cluster.create("web", "exec sleep 1000")
    pod = cluster.wait_pod("web", ready)
    cluster.stop_agent(agent)
    cluster.delete("web", grace_s=0)
    cluster.api.down = True
    second = cluster.start_agent()
    # It is known from the copy on the disk.
    until(lambda: second.worker.status(pod.metadata.uid) is not None)
    assert len(cluster.containers(all=False)) == 2
    cluster.api.down = False
    until(lambda: cluster.containers() == [])


def test_restarts_go_on_while_the_master_is_away(cluster: Cluster) -> None:
    cluster.start_agent()
    cluster.create("web", "exec sleep 1000")
    pod = cluster.wait_pod("web", ready)
    first = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    cluster.api.down = True
    cluster.docker.kill(first)
    until(lambda: len(cluster.containers(all=False)) == 2 and first not in _running_ids(cluster))
    cluster.api.down = False
    cluster.wait_pod("web", lambda pod: restarts(pod) == 1 and ready(pod))


def _running_ids(cluster: Cluster) -> set[str]:
    return {row["Id"] for row in cluster.containers(all=False)}


@pytest.mark.parametrize("containers_seen", [0, 1, 3])
def test_an_agent_killed_in_the_midst_of_starting_leaves_nothing_doubled(
    cluster: Cluster, containers_seen: int
) -> None:
    pods = _pods_with_uids(cluster, 3)
    with _process(cluster, pods) as process:
        until(lambda: len(cluster.containers()) > containers_seen)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    for pod in pods:
        cluster.api.create(pod)
    cluster.start_agent()
    for pod in pods:
        cluster.wait_pod(pod.metadata.name, ready)
    until(lambda: len(cluster.containers()) == 6, what=lambda: str(cluster.containers()))
    names = [row["Names"][0] for row in cluster.containers(all=False)]
    assert sorted(name.split("_")[1:3] for name in names) == sorted(
        [container, pod.metadata.name] for pod in pods for container in ("POD", "main")
    )

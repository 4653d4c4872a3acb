"""Docker itself is started anew: with live-restore nothing ends, without it everything comes back."""

import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.api import APIClient

from tests.agent.certificates import Authority
from tests.agent.cluster import Cluster, free_cidr, ready, restarts
from tests.e2e.private_docker import PrivateDocker
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.netns]
ENDS_ON_TERM = "trap 'exit 0' TERM; sleep 1000 & wait"


@pytest.fixture
def site(
    request: pytest.FixtureRequest, image: str, authority: Authority, tmp_path: Path
) -> Iterator[tuple[Cluster, PrivateDocker]]:
    """A cluster on a daemon of its own; the daemon's options are the fixture's parameter."""
    unique = uuid.uuid4().hex[:8]
    # Short: the path of a socket below it has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="steersman-dockerd-", dir="/tmp") as folder:
        daemon = PrivateDocker(f"agent-{os.getpid()}-{unique[:4]}", Path(folder), request.param)
        try:
            daemon.make_network()
            daemon.start()
            daemon.load([image])
            client = APIClient(daemon.host, version="auto", timeout=30)
            cluster = Cluster(f"test-{unique}", f"st{unique}", free_cidr(), tmp_path, client, image, authority)
            try:
                yield cluster, daemon
            finally:
                cluster.clean()
                client.close()
        finally:
            daemon.remove()
            subprocess.run(["umount", "--lazy", folder], capture_output=True, check=False)


def _running(cluster: Cluster) -> set[str]:
    return {row["Id"] for row in cluster.containers(all=False)}


@pytest.mark.parametrize(
    ("site", "ended"),
    [pytest.param((), True, marks=pytest.mark.long), (("--live-restore",), False)],
    indirect=["site"],
    ids=["plain", "live-restore"],
)
def test_pods_are_the_same_after_a_restart_of_docker(site: tuple[Cluster, PrivateDocker], ended: bool) -> None:
    cluster, daemon = site
    cluster.start_agent(docker_host=daemon.host, relist_s=2.0)
    for name in ("a", "b", "goes"):
        cluster.create(name, ENDS_ON_TERM)
    uids = {name: cluster.wait_pod(name, ready).metadata.uid for name in ("a", "b", "goes")}
    before = _running(cluster)
    daemon.stop()
    until(lambda: bool(cluster.events("NodeNotReady")))
    cluster.delete("goes", grace_s=5)
    cluster.create("comes", ENDS_ON_TERM)
    daemon.start()
    cluster.wait_gone("goes", timeout_s=40)
    cluster.wait_pod("comes", ready, timeout_s=40)
    for name in ("a", "b"):
        # More than one when the agent had started one again before Docker had gone.
        pod = cluster.wait_pod(name, lambda pod: ready(pod) and (restarts(pod) > 0) == ended, timeout_s=40)
        assert pod.metadata.uid == uids[name]
    until(lambda: len(_running(cluster)) == 6, limit_s=40)
    assert len(_running(cluster) & before) == (0 if ended else 4)
    assert len({cluster.wait_pod(name, ready).status.pod_ip for name in ("a", "b", "comes")}) == 3

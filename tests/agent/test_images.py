"""Images that are there, that cannot be had, and that appear later. No registry answers here: a pull fails."""

import uuid
from collections.abc import Callable

import pytest

from agent.runtime.images import default_policy
from tests.agent.cluster import Cluster, ready, wait_until, waiting_reason


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("redis", "Always"),
        ("redis:latest", "Always"),
        ("redis:e2e", "IfNotPresent"),
        ("localhost:5000/redis", "Always"),
        ("gcr.io/a/b:v4", "IfNotPresent"),
        ("redis@sha256:" + "a" * 64, "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert default_policy(image) == policy


@pytest.mark.docker
def test_a_missing_image_backs_off_and_recovers_when_it_appears(
    cluster: Cluster, import_image: Callable[[str], None]
) -> None:
    cluster.start_agent(pull_base_s=30.0, pull_cap_s=60.0)
    name = f"localhost:1/steersman-test/late-{uuid.uuid4().hex[:8]}:v1"
    container = {"name": "main", "image": name, "command": ["sleep", "1000"]}
    cluster.create("late", containers=[container])
    cluster.wait_pod("late", lambda pod: waiting_reason(pod) == "ErrImagePull")
    cluster.wait_pod("late", lambda pod: waiting_reason(pod) == "ImagePullBackOff")
    wait_until(lambda: cluster.events("BackOff") == [f'Back-off pulling image "{name}"'])
    cluster.docker.tag(cluster.image, name.rpartition(":")[0], tag="v1")
    try:
        cluster.wait_pod("late", ready, timeout_s=5)
    finally:
        cluster.docker.remove_image(name, force=True)


@pytest.mark.docker
def test_pull_policy_never_says_so(cluster: Cluster) -> None:
    cluster.start_agent()
    container = {"name": "main", "image": "steersman-test/nowhere:v1", "imagePullPolicy": "Never"}
    cluster.create("never", containers=[container])
    cluster.wait_pod("never", lambda pod: waiting_reason(pod) == "ErrImageNeverPull")


@pytest.mark.docker
def test_a_malformed_image_name_says_so_and_stops_at_itself(cluster: Cluster) -> None:
    cluster.start_agent()
    good = cluster.container("good", "exec sleep 1000")
    cluster.create("bad", containers=[{"name": "main", "image": "UPPER//case"}, good])
    wait_until(lambda: len(cluster.containers(all=False)) == 2)
    pod = cluster.wait_pod("bad", lambda pod: waiting_reason(pod) == "InvalidImageName")
    assert [status.name for status in pod.status.container_statuses] == ["main", "good"]

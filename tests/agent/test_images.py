"""Images that are there, that cannot be had, and that appear later. No registry answers here: a pull fails."""

import base64
import http.server
import json
import threading
import uuid
from collections.abc import Callable
from typing import ClassVar
from unittest.mock import Mock

import pytest

from agent.jobs import Jobs
from agent.runtime.credentials import credentials_for, registry_of
from agent.runtime.facts import ImageFacts
from agent.runtime.images import ImageHere, ImagePending, Images, default_policy
from api.codec import convert
from api.core import Secret
from tests.agent.cluster import Cluster, ready, waiting_reason
from tests.agent.facts import NOW
from tests.e2e.waiting import until


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


def test_an_image_that_is_here_before_its_pull_has_told_its_end_was_pulled() -> None:
    """Docker tells of a new image a moment before it answers the pull."""
    here, answered, done = threading.Event(), threading.Event(), threading.Event()
    facts = ImageFacts("sha256:1")
    docker = Mock(image=lambda _: facts if here.is_set() else None, pull=lambda *_, **__: answered.wait(20))
    jobs = Jobs("test-pull", threads=1)
    images = Images(docker, jobs, base_s=1, cap_s=1, on_done=lambda _: done.set(), on_progress=lambda *_: None)
    try:
        assert images.ensure("a:1", "", NOW) == ImagePending(began=True)
        here.set()
        found = images.ensure("a:1", "", NOW)
        assert isinstance(found, ImageHere)
        assert found.pulled_s is not None
        answered.set()
        assert done.wait(20)
        assert images.ensure("a:1", "", NOW) == ImageHere(facts)  # the next pod finds it there
    finally:
        answered.set()
        jobs.close()


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
    until(lambda: cluster.events("BackOff") == [f'Back-off pulling image "{name}"'])
    cluster.docker.tag(cluster.image, name.rpartition(":")[0], tag="v1")
    try:
        cluster.wait_pod("late", ready, timeout_s=5)
    finally:
        cluster.docker.remove_image(name, force=True)


@pytest.mark.docker
def test_pull_policy_never_says_so(shared: Cluster) -> None:
    shared.start_agent()
    container = {"name": "main", "image": "steersman-test/nowhere:v1", "imagePullPolicy": "Never"}
    shared.create("never", containers=[container])
    shared.wait_pod("never", lambda pod: waiting_reason(pod) == "ErrImageNeverPull")
    told = 'Container image "steersman-test/nowhere:v1" is not present with pull policy of Never'
    until(lambda: shared.events("ErrImageNeverPull") == [told])
    assert shared.events("Failed") == ["Error: ErrImageNeverPull"]


@pytest.mark.docker
def test_a_malformed_image_name_says_so_and_stops_at_itself(shared: Cluster) -> None:
    shared.start_agent()
    good = shared.container("good", "exec sleep 1000")
    shared.create("bad", containers=[{"name": "main", "image": "UPPER//case"}, good])
    until(lambda: len(shared.containers(all=False)) == 2)
    pod = shared.wait_pod("bad", lambda pod: waiting_reason(pod) == "InvalidImageName")
    assert [status.name for status in pod.status.container_statuses] == ["main", "good"]
    told = 'Failed to apply default image tag "UPPER//case": couldn\'t parse image name "UPPER//case"'
    until(lambda: shared.events("InspectFailed") == [told])


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("redis", "docker.io"),
        ("library/redis:7", "docker.io"),
        ("gcr.io/a/b", "gcr.io"),
        ("localhost:5/a", "localhost:5"),
    ],
)
def test_the_registry_is_read_from_the_image_name(image: str, registry: str) -> None:
    assert registry_of(image) == registry


def _secret(name: str, registry: str, entry: dict[str, str], namespace: str = "default") -> Secret:
    data = base64.b64encode(json.dumps({"auths": {registry: entry}}).encode()).decode()
    return convert({"metadata": {"name": name, "namespace": namespace}, "data": {".dockerconfigjson": data}}, Secret)


def test_credentials_are_those_of_the_images_registry() -> None:
    encoded = base64.b64encode(b"me:secret").decode()
    secrets = [
        _secret("a", "https://index.docker.io/v1/", {"auth": encoded}),
        _secret("b", "gcr.io", {"username": "u"}),
    ]
    assert credentials_for("redis", secrets) == {"username": "me", "password": "secret"}
    assert credentials_for("gcr.io/a/b:1", secrets) == {"username": "u", "password": ""}
    assert credentials_for("quay.io/a/b:1", secrets) is None
    assert credentials_for("quay.io/a", [convert({"data": {".dockerconfigjson": "eA=="}}, Secret)]) is None


class _Registry(http.server.BaseHTTPRequestHandler):
    """Refuses everybody, and remembers what was said."""

    said: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.said.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  the name that http.server calls

    def log_message(self, *_: object) -> None:
        return None


@pytest.mark.docker
def test_a_pull_uses_the_pods_pull_secret(shared: Cluster) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        registry = f"127.0.0.1:{server.server_address[1]}"
        shared.api.create(_secret("keys", registry, {"username": "me", "password": "secret"}, shared.namespace))
        shared.start_agent()
        container = {"name": "main", "image": f"{registry}/private:v1"}
        shared.create("private", containers=[container], imagePullSecrets=[{"name": "keys"}, {"name": "gone"}])
        shared.wait_pod("private", lambda pod: waiting_reason(pod) in ("ErrImagePull", "ImagePullBackOff"))
        assert "Basic " + base64.b64encode(b"me:secret").decode() in _Registry.said
        until(lambda: bool(shared.events("FailedToRetrieveImagePullSecret")))
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

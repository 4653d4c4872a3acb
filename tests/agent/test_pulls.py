"""Images that a registry has: pulled by tag or digest, with a secret, side by side, with a word on how far it is."""

import base64
import json
from collections.abc import Iterator

import pytest

from agent.runtime.progress import Progress
from api.codec import convert
from api.core import Secret
from tests.agent.cluster import Cluster, ready
from tests.agent.registry import Registry
from tests.e2e.waiting import until

SOON_GONE = {"terminationGracePeriodSeconds": 1}


@pytest.fixture
def registry(rootfs: bytes, shared: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setattr("agent.runtime.progress.FIRST_S", 0.2)
    made = Registry(rootfs)
    try:
        yield made
    finally:
        made.close()
        shared.forget_pods()
        until(lambda: shared.containers() == [])
        for image in shared.docker.images():
            names = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            if any(name.startswith(made.host) for name in names):
                shared.docker.remove_image(image["Id"], force=True)


@pytest.mark.docker
def test_a_pull_with_the_pods_secret_tells_how_far_it_is(shared: Cluster, registry: Registry) -> None:
    shared.start_agent()
    registry.password = "secret"
    registry.add("private/one", "v1")
    image = f"{registry.host}/private/one:v1"
    auths = {"auths": {registry.host: {"username": "me", "password": "secret"}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}
    shared.api.create(convert({"metadata": {"name": "keys", "namespace": shared.namespace}, "data": data}, Secret))
    registry.hold.clear()
    shared.create(
        "one", containers=[{"name": "main", "image": image}], **SOON_GONE, imagePullSecrets=[{"name": "keys"}]
    )
    until(lambda: registry.held != set())
    told = f'Pulling image "{image}"'
    # Nothing holds up the worker meanwhile.
    shared.create("other", "exec sleep 1000", **SOON_GONE)
    shared.wait_pod("other", ready, timeout_s=60)
    registry.hold.set()
    shared.wait_pod("one", ready, timeout_s=60)
    pulling = shared.events("Pulling")
    assert pulling[0] == told
    assert any(message.startswith(f"{told}: ") and message.endswith("MiB") for message in pulling[1:])
    until(lambda: any(text.startswith(f'Successfully pulled image "{image}" in ') for text in shared.events("Pulled")))


@pytest.mark.docker
def test_pulls_go_side_by_side_and_a_digest_is_that_very_image(shared: Cluster, registry: Registry) -> None:
    shared.start_agent()
    digest = registry.add("two", "v1")
    registry.add("three", "v1")
    registry.hold.clear()
    by_digest, by_tag = f"{registry.host}/two@{digest}", f"{registry.host}/three:v1"
    shared.create("two", containers=[{"name": "main", "image": by_digest}], **SOON_GONE)
    shared.create("three", containers=[{"name": "main", "image": by_tag}], **SOON_GONE)
    until(lambda: len(registry.held) == 2)
    registry.add("two", "v1")  # the tag leads to another image now
    registry.hold.set()
    for name in ("two", "three"):
        shared.wait_pod(name, ready, timeout_s=60)
    assert registry.asked["/v2/two/manifests/v1"] == 0
    (status,) = shared.wait_pod("two", ready).status.container_statuses
    assert status.image_id == f"docker-pullable://{by_digest}"
    found = shared.docker.inspect_image(by_digest)
    assert found["RepoDigests"] == [by_digest]
    # What is there is asked for again only when the policy wants it.
    asked = registry.asked["/v2/three/manifests/v1"]
    for name, policy in (("lazy", "IfNotPresent"), ("eager", "Always")):
        shared.create(name, containers=[{"name": "main", "image": by_tag, "imagePullPolicy": policy}], **SOON_GONE)
        shared.wait_pod(name, ready, timeout_s=60)
        assert (registry.asked["/v2/three/manifests/v1"] > asked) == (policy == "Always")


def test_progress_is_told_ever_more_seldom() -> None:
    told, now = list[str](), [0.0]
    progress = Progress(told.append, lambda: now[0], first_s=10.0)
    for second in range(200):
        now[0] = float(second)
        detail = {"current": second * 2**20, "total": 400 * 2**20}
        progress.note({"status": "Downloading", "id": "a", "progressDetail": detail})
    assert told == ["10.0MiB of 400.0MiB", "30.0MiB of 400.0MiB", "70.0MiB of 400.0MiB", "150.0MiB of 400.0MiB"]
    progress.note({"status": "Pulling fs layer", "id": "b"})
    progress.note({"status": "Downloading", "id": "b", "progressDetail": {"current": 2**19, "total": 2**20}})
    progress.note({"status": "Download complete", "id": "a"})
    progress.note({"status": "Already exists", "id": "c"})
    assert progress.phrase == "400.5MiB of 401.0MiB"

"""Fixtures of the agent's tests: an image, certificates, and a private cluster on Docker."""

import contextlib
import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker.api import APIClient

from tests.agent.bus import bus as bus
from tests.agent.busybox import busybox_rootfs
from tests.agent.certificates import Authority
from tests.agent.cluster import Cluster, free_cidr
from tests.agent.guarding import guarded


@pytest.fixture(scope="session", autouse=True)
def short_waits() -> Iterator[None]:
    """Waits between tries that are the agent's own choice; what Kubernetes or Docker make wait stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("client.informer._LAST_DELAY_S", 0.4)
        patch.setattr("agent.node.registration._RETRY_S", 0.3)
        patch.setattr("agent.pods.starting._CONFIG_RETRY_S", 0.4)
        patch.setattr("agent.pods.starting._SANDBOX_RETRY_S", 0.4)
        yield


@pytest.fixture(scope="session")
def docker_client() -> Iterator[APIClient]:
    client = APIClient(version="auto", timeout=30)
    yield client
    client.close()


@pytest.fixture(scope="session")
def rootfs() -> bytes:
    return busybox_rootfs()


@pytest.fixture(scope="session")
def import_image(docker_client: APIClient, rootfs: bytes) -> Iterator[Callable[[str], None]]:
    """Makes the test image under a name; all are removed at the end."""
    made: set[str] = set()

    def make(name: str) -> None:
        repository, _, tag = name.partition(":")
        docker_client.import_image_from_data(rootfs, repository=repository, tag=tag)
        made.add(name)

    yield make
    for name in made:
        docker_client.remove_image(name, force=True)


@pytest.fixture(scope="session")
def image(import_image: Callable[[str], None]) -> str:
    name = f"steersman-test/busybox:{uuid.uuid4().hex[:12]}"
    import_image(name)
    return name


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@contextlib.contextmanager
def private(docker_client: APIClient, image: str, authority: Authority, directory: Path) -> Iterator[Cluster]:
    """A cluster without an agent yet; all that it made goes, however this ends."""
    unique = uuid.uuid4().hex[:8]
    made = Cluster(f"test-{unique}", f"st{unique}", free_cidr(), directory, docker_client, image, authority)
    with guarded(made.name, made.bridge):
        try:
            yield made
        finally:
            made.clean()


@pytest.fixture
def cluster(docker_client: APIClient, image: str, authority: Authority, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own: for settings of its own, and for harm to the agent."""
    with private(docker_client, image, authority, tmp_path / "agent") as made:
        yield made


@pytest.fixture(scope="session")
def running(
    docker_client: APIClient, image: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    with private(docker_client, image, authority, tmp_path_factory.mktemp("agent")) as made:
        made.start_agent()
        yield made


@pytest.fixture
def shared(running: Cluster) -> Iterator[Cluster]:
    """A namespace of a cluster whose agent runs already: for all that pods do and that is done to pods."""
    mine = dataclasses.replace(running, namespace=f"ns-{uuid.uuid4().hex[:8]}", shared=True)
    try:
        yield mine
    finally:
        mine.forget_pods()

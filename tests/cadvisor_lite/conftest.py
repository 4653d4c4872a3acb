"""Recorded hosts (a small /proc and cgroup tree for v1 and v2), and a real Docker with an image of our own."""

import json
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.api import APIClient
from docker.errors import DockerException, NotFound

from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container, container_from_inspect
from cadvisor_lite.main import CadvisorLite
from cadvisor_lite.monitor import Monitor
from tests.cadvisor_lite.docker_proxy import DockerProxy

RECORDED = Path(__file__).parent / "recorded"
BUSYBOX = Path("/bin/busybox")


@pytest.fixture(params=["v1", "v2"])
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the recorded host, free to be damaged."""
    return Path(shutil.copytree(RECORDED / request.param, tmp_path / request.param))


@pytest.fixture
def recorded_containers() -> list[Container]:
    documents = json.loads((RECORDED / "containers.json").read_text())
    return [container for document in documents if (container := container_from_inspect(document))]


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """Settings for a host under `root`."""

    def make(root: Path | None = None, **settings: Any) -> Config:
        roots = {f"{name}_root": root / name for name in ("proc", "cgroup", "sys", "etc")} if root else {}
        return Config(**{"listen_address": "127.0.0.1", "port": 0, "cache_s": 0.0, **roots, **settings})

    return make


@pytest.fixture
def monitor(recorded: Path, make_config: Callable[..., Config], recorded_containers: list[Container]) -> Monitor:
    """A monitor of the recorded host that has been told of its containers."""
    monitor = Monitor(make_config(recorded))
    for container in recorded_containers:
        monitor.put(container)
    return monitor


@pytest.fixture
def start_cadvisor(make_config: Callable[..., Config]) -> Iterator[Callable[..., CadvisorLite]]:
    started: list[CadvisorLite] = []

    def start(root: Path | None = None, **settings: Any) -> CadvisorLite:
        cadvisor = CadvisorLite(make_config(root, **settings))
        started.append(cadvisor)
        cadvisor.start()
        return cadvisor

    yield start
    for cadvisor in started:
        cadvisor.stop()


@pytest.fixture(scope="session")
def docker_client() -> Iterator[APIClient]:
    client = APIClient(version="auto", timeout=30)
    try:
        client.ping()
    except DockerException as error:
        client.close()
        pytest.skip(f"no Docker daemon: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(docker_client: APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of our own with busybox alone in it."""
    archive = tmp_path_factory.mktemp("image") / "busybox.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(BUSYBOX.resolve(), "bin/busybox")
    repository, tag = "cadvisor-lite-test", uuid.uuid4().hex
    docker_client.import_image(src=str(archive), repository=repository, tag=tag)
    yield f"{repository}:{tag}"
    docker_client.remove_image(f"{repository}:{tag}", force=True)


@pytest.fixture
def run_container(docker_client: APIClient, image: str) -> Iterator[Callable[..., str]]:
    """Starts a container and gives its id; removes it afterwards whatever happens."""
    made: list[str] = []

    def run(*command: str, labels: dict[str, str] | None = None, network_mode: str = "bridge", **limits: Any) -> str:
        host_config = docker_client.create_host_config(network_mode=network_mode, **limits)
        created = docker_client.create_container(
            image,
            ["/bin/busybox", *command],
            name=f"cadvisor-lite-test-{uuid.uuid4().hex[:12]}",
            labels=labels or {},
            host_config=host_config,
        )
        made.append(created["Id"])
        docker_client.start(created["Id"])
        return str(created["Id"])

    yield run
    for container_id in made:
        try:
            docker_client.remove_container(container_id, force=True)
        except NotFound:
            continue


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[DockerProxy]:
    proxy = DockerProxy(tmp_path / "docker.sock")
    yield proxy
    proxy.cut()

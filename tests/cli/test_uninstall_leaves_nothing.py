"""Traces made on real Docker and in real directories, then removed; those of others stay."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from cli.cluster import Settings, complete, save
from cli.directories import claim_all
from cli.errors import CommandError
from cli.settings import settings_of
from cli.traces import docker as docker_traces
from cli.traces import host
from cli.uninstall import kinds_of

IMAGE = "steersman/busybox"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture
def cluster(client: Any) -> Iterator[str]:
    """A name for a cluster of this test's own; what carries it is removed whatever happens."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    for one in client.containers.list(all=True, filters={"label": f"io.steersman.cluster={name}"}):
        one.remove(force=True, v=True)
    for one in client.networks.list(filters={"label": f"io.steersman.cluster={name}"}):
        one.remove()


@pytest.fixture
def settings(tmp_path: Path, cluster: str) -> Settings:
    found = complete(
        Settings(
            root=tmp_path / "root",
            name=cluster,
            node_name="n1",
            chain_prefix=f"T{cluster[5:].upper()}",
            dns_interface="",
            container_log_dir=tmp_path / "containers",
            pod_log_dir=tmp_path / "pods",
            service_cidr="10.231.0.0/24",
            pod_cidr="10.232.0.0/24",
        )
    )
    claim_all(found)
    save(found)
    return found


def flags(settings: Settings) -> list[str]:
    """All of them: what is left out is that of this host's own cluster."""
    said = {one.flag: getattr(settings, one.name) for one in settings_of(Settings)}
    default = {one.flag: getattr(Settings(), one.name) for one in settings_of(Settings)}
    return [f"{flag}={value}" for flag, value in said.items() if value != default[flag]]


def run_container(client: Any, cluster: str) -> Any:
    return client.containers.run(
        IMAGE, ["sleep", "600"], detach=True, labels={"io.steersman.cluster": cluster}, network_mode="none"
    )


def sentences(settings: Settings, client: Any) -> list[str]:
    """Remove everything but shared images, which other tests need; what was removed."""
    done = []
    for kind in kinds_of(settings, client, keep_images=True):
        for trace in kind.find():
            done += trace.remove()
    return done


def is_there(client: Any, identifier: str) -> bool:
    try:
        client.containers.get(identifier)
    except docker.errors.NotFound:
        return False
    return True


@pytest.mark.docker
def test_everything_of_the_cluster_goes_and_all_else_stays(
    client: Any, cluster: str, settings: Settings, tmp_path: Path
) -> None:
    ours, other = run_container(client, cluster), run_container(client, f"{cluster}-other")
    try:
        network = client.networks.create(f"{cluster}-net", labels={"io.steersman.cluster": cluster}, internal=True)
        link = tmp_path / "containers" / f"web_default_web-{ours.id}.log"
        of_other = tmp_path / "containers" / f"web_default_web-{other.id}.log"
        pod_link = tmp_path / "pods" / "default_web_uid" / "web" / "0.log"
        for folder in (link.parent, pod_link.parent):
            folder.mkdir(parents=True)
        link.symlink_to(pod_link)
        pod_link.symlink_to(f"/var/lib/docker/containers/{ours.id}/{ours.id}-json.log")
        of_other.symlink_to(f"/var/lib/docker/containers/{other.id}/{other.id}-json.log")
        done = sentences(settings, client)
        assert f"container {ours.name}" in done
        assert f"network {network.name}" in done
        assert {f"link {link}", f"link {pod_link}"} <= set(done)
        assert f"directory {settings.config}" in done
        assert not is_there(client, ours.id)
        assert is_there(client, other.id)
        assert [one.name for one in tmp_path.iterdir()] == ["containers"]
        assert of_other.is_symlink()
        assert sentences(settings, client) == []
    finally:
        other.remove(force=True, v=True)


@pytest.mark.docker
def test_a_strangers_container_does_not_hold_the_network(client: Any, cluster: str, settings: Settings) -> None:
    network = client.networks.create(f"{cluster}-net", labels={"io.steersman.cluster": cluster}, internal=True)
    stranger = client.containers.run(IMAGE, ["sleep", "600"], detach=True, network=network.name)
    try:
        done = sentences(settings, client)
        assert done[:2] == [f"{stranger.name} from network {network.name}", f"network {network.name}"]
        stranger.reload()
        assert stranger.status == "running"
    finally:
        stranger.remove(force=True, v=True)


class GhostlyDocker:
    """A daemon that counts an endpoint too many, as Docker 20.10 now and then does: nobody can make it do so."""

    def __init__(self) -> None:
        self.api = self

    def networks(self, **_: object) -> list[dict[str, str]]:
        return [{"Name": "net", "Id": "1"}]

    def inspect_network(self, _: str) -> dict[str, Any]:
        return {"Containers": {}}

    def remove_network(self, identifier: str) -> None:
        raise docker.errors.APIError(f"error while removing network: network net id {identifier} has active endpoints")


def test_a_network_that_docker_miscounts_is_told_with_what_helps() -> None:
    (trace,) = docker_traces.networks(GhostlyDocker(), "c")
    with pytest.raises(CommandError, match=r"restart Docker \(systemctl restart docker\)"):
        trace.remove()


@pytest.mark.netns
def test_mounts_of_pods_go_before_their_directories(settings: Settings, tmp_path: Path) -> None:
    point = settings.data / "agent" / "pods" / "volume"
    point.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "steersman-test", str(point)], check=True)
    try:
        (mount,) = host.mounts(settings)
        assert mount.remove() == [f"mount {point}"]
        assert host.mounts(settings) == []
    finally:
        subprocess.run(["umount", str(point)], check=False, capture_output=True)


def test_a_directory_with_other_things_is_kept_and_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").touch()
    settings = Settings(root=tmp_path / "root", data_dir=tmp_path / "data", name="one")
    claim_all(settings)
    traces = {trace.what: trace for trace in host.directories(settings)}
    kept = traces[f"directory {tmp_path / 'data'} kept: it was not made for cluster one"]
    assert kept.remove() == []
    assert (tmp_path / "data" / "precious").exists()


@pytest.mark.docker
def test_shared_images_stay_while_another_cluster_is_here(client: Any, cluster: str) -> None:
    other = run_container(client, f"{cluster}-other")
    try:
        assert docker_traces.images(client, cluster) == []
        assert f"{cluster}-other" in docker_traces.other_clusters(client, cluster)
    finally:
        other.remove(force=True, v=True)


@pytest.mark.docker
def test_a_dry_run_removes_nothing(
    client: Any, cluster: str, settings: Settings, steersman: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    ours = run_container(client, cluster)
    result = steersman("uninstall", "--dry-run", "--root", settings.root)
    assert result.returncode == 0, result.stderr
    assert f"would remove: container {ours.name}" in result.stdout
    assert f"would remove: directory {settings.config}" in result.stdout
    assert is_there(client, ours.id)


def test_nobody_to_ask_is_an_error(settings: Settings, steersman: Any) -> None:
    result = steersman("uninstall", "--root", settings.root)
    assert result.returncode == 1
    assert "say --yes" in result.stderr
    assert settings.file.exists()


@pytest.mark.docker
def test_the_command_removes_all_and_can_be_repeated(client: Any, settings: Settings, steersman: Any) -> None:
    ours = run_container(client, settings.name)
    first = steersman("uninstall", "--yes", "--keep-images", "--root", settings.root)
    assert first.returncode == 0, first.stderr
    assert f"removed container {ours.name}" in first.stdout
    assert not settings.root.exists()
    again = steersman("uninstall", "--yes", "--keep-images", *flags(settings))
    assert (again.returncode, again.stdout) == (0, f"nothing of cluster {settings.name} was on this host\n"), (
        again.stderr
    )


def test_a_root_without_a_cluster_does_not_stand_for_the_one_of_the_host(tmp_path: Path, steersman: Any) -> None:
    for words in ((), ("--dry-run",)):  # which do no harm where this is wrong
        done = steersman("uninstall", "--keep-images", *words, "--root", tmp_path)
        told = f"there is no {tmp_path}/etc/steersman/cluster.yaml, so no cluster to remove\n"
        assert (done.returncode, done.stdout) == (0, told), done.stderr


def test_an_image_that_has_lost_its_name_goes_too(client: Any, cluster: str) -> None:
    label = f"LABEL io.steersman.cluster={cluster}"
    made = subprocess.run(["docker", "import", "-c", label, "-"], input=bytes(10240), capture_output=True, check=True)
    identifier = made.stdout.decode().strip()
    (trace,) = [one for one in docker_traces.images(client, cluster) if identifier[7:19] in one.what]
    trace.remove()
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get(identifier)

"""What somebody takes away behind the agent's back comes back; a full disk stops nothing for good."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.core import ConfigMap, Pod
from tests.agent.cluster import Cluster, phase, ready, restarts, waiting_reason
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker


def _container(pod: Pod) -> str:
    return pod.status.container_statuses[0].container_id.removeprefix("docker://")


def _execute(cluster: Cluster, pod: Pod, *command: str) -> str:
    made = cluster.docker.exec_create(_container(pod), list(command))["Id"]
    return bytes(cluster.docker.exec_start(made)).decode()


def test_the_pod_network_is_made_again(cluster: Cluster) -> None:
    cluster.start_agent(relist_s=1.0)
    until(lambda: len(cluster.docker.networks(names=[cluster.bridge])) == 1)
    cluster.docker.remove_network(cluster.docker.networks(names=[cluster.bridge])[0]["Id"])
    cluster.create("web", "exec sleep 1000")
    pod = cluster.wait_pod("web", ready)
    assert pod.status.pod_ip.startswith(cluster.cidr.rpartition(".")[0] + ".")


def test_a_removed_container_is_started_again_and_counted(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("web", "exec sleep 1000")
    first = _container(shared.wait_pod("web", ready))
    shared.docker.remove_container(first, force=True)
    pod = shared.wait_pod("web", lambda pod: ready(pod) and _container(pod) != first)
    assert restarts(pod) == 1


def test_a_removed_image_is_waited_for_and_the_running_container_stays(
    cluster: Cluster, import_image: Callable[[str], None]
) -> None:
    image = f"steersman-test/removed:{cluster.name}"
    import_image(image)
    cluster.start_agent()
    container = {**cluster.container("main", "exec sleep 1000"), "image": image, "imagePullPolicy": "IfNotPresent"}
    cluster.create("web", containers=[container])
    pod = cluster.wait_pod("web", ready)
    cluster.docker.remove_image(image, force=True)
    cluster.docker.kill(_container(pod))
    cluster.wait_pod("web", lambda pod: waiting_reason(pod) in ("ErrImagePull", "ImagePullBackOff"))
    import_image(image)
    assert restarts(cluster.wait_pod("web", ready)) == 1


def test_removed_volumes_are_made_again_when_the_container_starts_anew(shared: Cluster) -> None:
    shared.start_agent()
    shared.add(ConfigMap, "settings", data={"key": "value"})
    volumes = [{"name": "scratch", "emptyDir": {}}, {"name": "settings", "configMap": {"name": "settings"}}]
    mounts = [{"name": "scratch", "mountPath": "/scratch"}, {"name": "settings", "mountPath": "/settings"}]
    container = shared.container("main", "exec sleep 1000", volumeMounts=mounts)
    shared.create("web", containers=[container], volumes=volumes)
    pod = shared.wait_pod("web", ready)
    shutil.rmtree(shared.directory / "data/pods" / pod.metadata.uid / "volumes")
    shared.docker.kill(_container(pod))
    pod = shared.wait_pod("web", lambda pod: ready(pod) and restarts(pod) == 1)
    assert _execute(shared, pod, "sh", "-c", "echo x > /scratch/x; cat /scratch/x /settings/key") == "x\nvalue"


@pytest.fixture
def small_disk(cluster: Cluster) -> Iterator[Path]:
    """A file system of a megabyte for all that the agent keeps."""
    data = cluster.directory / "data"
    data.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(data)], check=True)
    try:
        yield data
    finally:
        for agent in list(cluster.agents):
            cluster.stop_agent(agent)
        subprocess.run(["umount", "--lazy", str(data)], check=True)


def _fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        room = os.statvfs(disk)
        file.write(b"x" * room.f_bavail * room.f_frsize)
    return ballast


def test_a_full_disk_delays_new_pods_and_harms_no_others(cluster: Cluster, small_disk: Path) -> None:
    cluster.start_agent(pressure_look_s=3600.0)  # or what is here would be evicted
    for name in ("stays", "goes", "restarts"):
        cluster.create(name, "trap 'exit 0' TERM; sleep 1000 & wait")
        cluster.wait_pod(name, ready)
    ballast = _fill(small_disk)
    cluster.create("waits", "exec sleep 1000")
    cluster.wait_pod("waits", phase("Pending"))
    until(lambda: any("No space left on device" in told for told in _warnings(cluster)))
    cluster.delete("goes")
    cluster.wait_gone("goes")
    assert ready(cluster.wait_pod("stays", ready))
    ballast.unlink()
    cluster.wait_pod("waits", ready)
    cluster.docker.kill(_container(cluster.wait_pod("restarts", ready)))
    cluster.wait_pod("restarts", lambda pod: ready(pod) and restarts(pod) == 1)
    assert restarts(cluster.wait_pod("stays", ready)) == 0


def _warnings(cluster: Cluster) -> list[str]:
    return cluster.events("FailedSync") + cluster.events("FailedCreatePodSandBox") + cluster.events("FailedMount")

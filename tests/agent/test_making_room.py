"""When the node runs short: which images go, which pods, and what is said of them."""

import dataclasses
import io
import os
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.api import APIClient
from docker.errors import APIError

from agent.config import Config
from agent.node.facts import Pressure
from agent.pods.disk import ContainerDisk, PodDisk, VolumeDisk
from agent.pods.eviction import Shortage, choose, shortages
from agent.pods.local_limits import has_limits, over_limit
from agent.runtime.docker import Docker
from agent.runtime.facts import ImageFacts
from agent.runtime.image_collector import ImageCollector, Marks, removable
from agent.volumes import remove_tree
from agent.volumes.usage import Used, tree_usage
from api.codec import convert
from api.core import Pod
from tests.agent.cluster import Cluster, phase, ready
from tests.e2e.waiting import until

_PLENTY = Pressure(
    memory_available_bytes=2**40, disk_available_percent=90, inodes_available_percent=90, pid_available_percent=90
)
_SHORT = Shortage(resource="memory", threshold="100Ki", available="50Ki")


def _pod(uid: str, *, asks: str = "", **spec: Any) -> Pod:
    resources = {"requests": {"memory": asks}} if asks else {}
    containers = [{"name": "c", "image": "i", "resources": resources}]
    meta = {"name": uid, "namespace": "ns", "uid": uid, **spec.pop("meta", {})}
    return convert({"metadata": meta, "spec": {"containers": containers, **spec}}, Pod)


def test_shortages_are_told_with_threshold_and_rest() -> None:
    assert shortages(Config(), _PLENTY) == []
    low = dataclasses.replace(_PLENTY, memory_available_bytes=2**20, disk_available_percent=3.25)
    told = [(found.resource, found.threshold, found.available) for found in shortages(Config(), low)]
    assert told == [("memory", "102400Ki", "1024Ki"), ("ephemeral-storage", "10%", "3.2%")]


@pytest.mark.parametrize(
    ("pods", "usage", "wanted"),
    [
        # Beyond its request before within it, however much that uses.
        ([_pod("in", asks="1Gi"), _pod("over", asks="1Mi")], {"in": 2**29, "over": 2**21}, "over"),
        # Then the lower priority.
        ([_pod("low", priority=1), _pod("high", priority=9)], {"low": 1, "high": 2**30}, "low"),
        # Then whoever is further beyond.
        ([_pod("less"), _pod("more")], {"less": 2**20, "more": 2**21}, "more"),
        # Never a pod of the system, nor one that is over.
        ([_pod("core", priority=2_000_001_000), _pod("small")], {"core": 2**30, "small": 1}, "small"),
    ],
)
def test_pods_go_in_kubernetes_order(pods: list[Pod], usage: dict[str, int], wanted: str) -> None:
    chosen = choose(pods, {uid: {"c": used} for uid, used in usage.items()}, _SHORT)
    assert chosen is not None
    assert chosen.uid == wanted


def test_static_pods_stay() -> None:
    static = _pod("static", meta={"annotations": {"kubernetes.io/config.source": "file"}})
    assert choose([static], {"static": {"c": 2**30}}, _SHORT) is None


def test_the_sentence_is_the_kubelets() -> None:
    chosen = choose([_pod("a", asks="1Ki")], {"a": {"c": 4096}}, _SHORT)
    assert chosen is not None
    assert chosen.message == (
        "The node was low on resource: memory. Threshold quantity: 100Ki, available: 50Ki. "
        "Container c was using 4Ki, request is 1Ki, has larger consumption of memory. "
    )


def test_pods_go_by_priority_and_number_when_process_ids_run_out() -> None:
    low = dataclasses.replace(_PLENTY, pid_available_percent=5.0)
    (shortage,) = shortages(Config(), low)
    few, many, high = _pod("few"), _pod("many"), _pod("high", priority=9)
    usage = {"few": {"c": 2}, "many": {"c": 300}, "high": {"c": 9000}}
    chosen = choose([few, high, many], usage, shortage)
    assert chosen is not None
    assert chosen.uid == "many"
    assert chosen.message == "The node was low on resource: pids. Threshold quantity: 10%, available: 5.0%. "
    # Priority counts even when nothing was measured of a pod.
    unmeasured = choose([few, high], {"high": {"c": 9000}}, shortage)
    assert unmeasured is not None
    assert unmeasured.uid == "few"


def test_images_in_use_wanted_or_new_stay() -> None:
    images = [ImageFacts(str(n), names=(f"img:{n}",)) for n in range(5)] + [ImageFacts("5", names=("redis:latest",))]
    last = {"0": 0.0, "1": 50.0, "2": 0.0, "3": 0.0, "4": 990.0, "5": 0.0}
    found = removable(images, in_use={"2"}, wanted={"img:3", "redis:latest"}, last_used=last, now=1000.0)
    assert [image.id for image in found] == ["0", "1"]


class _Few(Docker):
    """Sees only the images of one test: the others on this machine are not ours to remove."""

    mine: frozenset[str] = frozenset()

    def stored_images(self) -> list[ImageFacts]:
        return [image for image in super().stored_images() if set(image.names) & self.mine]


@pytest.fixture
def three_images(docker_client: APIClient) -> Iterator[list[str]]:
    names = [f"steersman-test/gc-{uuid.uuid4().hex[:8]}:v1" for _ in range(3)]
    for number, name in enumerate(names):
        document = f'FROM scratch\nLABEL n={name}{number}\nCOPY f /f\nCMD ["/f"]\n'.encode()
        _build(docker_client, name, document)
    yield names
    for name in names:
        try:
            docker_client.remove_image(name, force=True)
        except APIError:
            continue  # collected


def _build(client: APIClient, name: str, document: bytes) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file, content in (("Dockerfile", document), ("f", name.encode())):
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    archive.seek(0)
    assert list(client.build(fileobj=archive, custom_context=True, tag=name, decode=True, rm=True, forcerm=True))


@pytest.mark.docker
def test_unused_images_go_until_the_low_mark(docker_client: APIClient, three_images: list[str]) -> None:
    used, clock = [90.0], [0.0]
    docker = _Few("unix:///var/run/docker.sock", cluster="none", timeout_s=30)
    docker.mine = frozenset(three_images)
    container = docker_client.create_container(three_images[0])["Id"]

    def present() -> set[str]:
        return {name for image in docker.stored_images() for name in image.names}

    def percent() -> float:
        return used[0] - 4 * (3 - len(present()))

    collector = ImageCollector(
        docker, Marks(85, 80), used_percent=percent, wanted=lambda: {three_images[1]}, clock=lambda: clock[0]
    )
    try:
        first = collector.look()
        assert first is not None
        assert first.removed == ()  # all have only just been seen
        clock[0] = 1000.0
        done = collector.look()
        assert done is not None
        assert done.removed == (three_images[2],)
        assert not done.reached
        assert present() == set(three_images[:2])
        used[0] = 60.0
        assert collector.look() is None
    finally:
        docker_client.remove_container(container, force=True)
        docker.close()


def test_a_tree_is_counted_on_its_own_disk(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a").write_bytes(b"x" * 100_000)
    used = tree_usage(tmp_path)
    assert 100_000 <= used.bytes <= 200_000
    assert used.inodes == 3
    os.link(tmp_path / "deep/a", tmp_path / "again")
    (tmp_path / "link").symlink_to("/")
    assert tree_usage(tmp_path).bytes - used.bytes < 100_000  # a second name is no second file
    assert tree_usage(tmp_path / "nowhere") == Used()


def test_a_tree_deeper_than_any_stack_is_counted_and_removed(tmp_path: Path) -> None:
    top = tmp_path / "pod"
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    assert tree_usage(top).inodes > 1500
    assert remove_tree(top)
    assert not top.exists()


@pytest.mark.docker
def test_a_pod_is_evicted_when_memory_runs_out_and_the_others_stay(cluster: Cluster) -> None:
    agent = cluster.start_agent(pressure_look_s=0.1)
    modest = cluster.container("main", "exec sleep 1000", resources={"requests": {"memory": "64Mi"}})
    cluster.create("modest", containers=[modest])
    cluster.create("greedy", "exec sleep 1000", terminationGracePeriodSeconds=600)
    for name in ("modest", "greedy"):
        cluster.wait_pod(name, ready)
    low = dataclasses.replace(_PLENTY, memory_available_bytes=2**20)
    # It is over when the greedy one's container has ended.
    agent.pressure = lambda: low if len(cluster.containers(all=False)) > 3 else _PLENTY
    pod = cluster.wait_pod("greedy", phase("Failed"))
    assert pod.status.reason == "Evicted"
    assert pod.status.message.startswith("The node was low on resource: memory. Threshold quantity: 102400Ki")
    assert any(c.type == "DisruptionTarget" and c.status == "True" for c in pod.status.conditions)
    until(lambda: bool(cluster.events("Evicted")))
    until(lambda: len(cluster.containers(all=False)) == 2)
    assert ready(cluster.wait_pod("modest", ready))
    assert cluster.events("EvictionThresholdMet") == ["Attempting to reclaim memory"]
    assert agent.room.evictor.evictions == {"memory": 1}


@pytest.mark.docker
def test_the_pod_with_most_processes_is_evicted_when_process_ids_run_out(cluster: Cluster) -> None:
    agent = cluster.start_agent(pressure_look_s=0.1)
    cluster.create("modest", "exec sleep 1000")
    cluster.create("forking", "for n in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait", terminationGracePeriodSeconds=1)
    for name in ("modest", "forking"):
        cluster.wait_pod(name, ready)
    low = dataclasses.replace(_PLENTY, pid_available_percent=5.0)
    agent.pressure = lambda: low if len(cluster.containers(all=False)) > 3 else _PLENTY
    pod = cluster.wait_pod("forking", phase("Failed"))
    assert pod.status.reason == "Evicted"
    assert pod.status.message == "The node was low on resource: pids. Threshold quantity: 10%, available: 5.0%. "
    assert ready(cluster.wait_pod("modest", ready))
    assert cluster.events("EvictionThresholdMet") == ["Attempting to reclaim pids"]
    assert agent.room.evictor.evictions == {"pids": 1}


_MIB = 2**20


def _limited(*containers: str, size: str = "", medium: str = "") -> Pod:
    """Containers c0, c1, ... with these limits of ephemeral storage, and a volume "scratch"."""
    rows = [
        {"name": f"c{n}", "image": "i", "resources": {"limits": {"ephemeral-storage": limit}} if limit else {}}
        for n, limit in enumerate(containers)
    ]
    source = {"sizeLimit": size or None, "medium": medium}
    return _pod("limited", containers=rows, volumes=[{"name": "scratch", "emptyDir": source}])


def _disk(scratch: int, *layers: int) -> PodDisk:
    return PodDisk(
        volumes={"scratch": VolumeDisk(used=Used(scratch * _MIB), room=None, on_disk=True)},
        containers={
            f"c{n}": ContainerDisk(layer=Used(layer * _MIB - 10), logs=Used(10)) for n, layer in enumerate(layers)
        },
    )


@pytest.mark.parametrize(
    ("pod", "disk", "told"),
    [
        (_limited("", size="10Mi"), _disk(10), ""),
        (_limited("", size="10Mi"), _disk(11), 'Usage of EmptyDir volume "scratch" exceeds the limit "10Mi". '),
        (_limited("", size="10Mi", medium="Memory"), _disk(11), ""),
        (_limited("5Mi", "20Mi"), _disk(0, 6, 1), 'Container c0 exceeded its local ephemeral storage limit "5Mi". '),
        (
            _limited("5Mi", "20Mi"),
            _disk(20, 3, 3),
            "Pod ephemeral local storage usage exceeds the total limit of containers 25Mi. ",
        ),
        (_limited("", ""), _disk(1000, 1000, 1000), ""),
    ],
)
def test_a_pod_beyond_a_limit_of_its_own_is_told_in_kubernetes_words(pod: Pod, disk: PodDisk, told: str) -> None:
    assert over_limit(pod, disk) == told


def test_only_pods_with_a_limit_are_walked_through() -> None:
    limited = [_limited("", size="10Mi"), _limited("5Mi")]
    assert all(has_limits(pod) for pod in limited)
    assert not any(has_limits(pod) for pod in (_limited(""), _limited("", size="10Mi", medium="Memory")))


@pytest.mark.docker
def test_a_pod_that_fills_its_volume_beyond_the_limit_is_evicted(cluster: Cluster) -> None:
    cluster.start_agent(pressure_look_s=0.1)
    mount = {"name": "scratch", "mountPath": "/mnt"}
    full = cluster.container("main", "head -c 3000000 /dev/zero > /mnt/a; exec sleep 1000", volumeMounts=[mount])
    volume = {"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}
    cluster.create("full", containers=[full], volumes=[volume], terminationGracePeriodSeconds=600)
    roomy = {"name": "scratch", "emptyDir": {"sizeLimit": "100Mi"}}
    cluster.create("roomy", containers=[full], volumes=[roomy])
    written = cluster.container(
        "main", "head -c 3000000 /dev/zero > /a; exec sleep 1000",
        resources={"limits": {"ephemeral-storage": "1Mi"}},
    )  # fmt: skip
    cluster.create("written", containers=[written])
    pod = cluster.wait_pod("full", phase("Failed"), timeout_s=60)
    assert pod.status.reason == "Evicted"
    assert pod.status.message == 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". '
    pod = cluster.wait_pod("written", phase("Failed"), timeout_s=60)
    assert pod.status.message == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    assert ready(cluster.wait_pod("roomy", ready))

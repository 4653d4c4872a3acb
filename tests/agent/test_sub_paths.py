"""A subPath leads into its volume, whatever those who may write to the volume do meanwhile."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.pods.problems import ConfigError
from agent.volumes import remove_tree
from agent.volumes.mounts import bind_sub_path
from agent.volumes.removing import SUB_PATHS, mount_points
from tests.agent.cluster import Cluster, ready, restarts

ATTACKS = 300
_ATTACK = """
import ctypes, sys
at_cwd, exchange = -100, 2
renameat2, folder, link = ctypes.CDLL(None).renameat2, sys.argv[1].encode(), sys.argv[2].encode()
print(flush=True)
while renameat2(at_cwd, folder, at_cwd, link, exchange) == 0:
    pass
"""


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Of a pod whose directory is next to something that is not for pods."""
    made = tmp_path / "pod/volumes/work"
    made.mkdir(parents=True)
    (tmp_path / "host").mkdir()
    (tmp_path / "host/secret").write_text("")
    return made


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "pod" / SUB_PATHS / "work/main/0"
    assert remove_tree(tmp_path / "pod")
    assert not [point for point in mount_points() if point.startswith(f"{tmp_path}/")]
    assert (tmp_path / "host/secret").exists()


@contextmanager
def swapping(folder: Path, target: Path) -> Iterator[None]:
    """The folder and a link to the target change places, as often as can be; one of them is always there."""
    link = folder.with_name("link")
    folder.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    attack = subprocess.Popen([sys.executable, "-c", _ATTACK, str(folder), str(link)], stdout=subprocess.PIPE)
    try:
        assert attack.stdout is not None
        attack.stdout.readline()
        yield
        assert attack.poll() is None
    finally:
        attack.kill()
        attack.communicate()


@pytest.mark.parametrize("sub_path", ["swapped", "swapped/deeper"])
def test_a_folder_that_becomes_a_link_leads_nowhere_else(volume: Path, place: Path, sub_path: str) -> None:
    (volume.parent.parent.parent / "host/deeper").mkdir()
    (volume.parent.parent.parent / "host/deeper/secret").write_text("")
    bound, refused = 0, 0
    with swapping(volume / "swapped", volume.parent.parent.parent / "host"):
        for _ in range(ATTACKS):
            try:
                bind_sub_path(volume, sub_path, place, private=True)
            except (ConfigError, OSError):
                refused += 1
                continue
            bound += 1
            assert not (place / "secret").exists()
    assert bound
    assert refused
    assert sorted(path.name for path in (volume.parent.parent.parent / "host").iterdir()) == ["deeper", "secret"]


@pytest.mark.parametrize("target", ["../../../host", "/etc", "out"])
def test_a_link_out_of_the_volume_is_refused(volume: Path, tmp_path: Path, target: str) -> None:
    """``out`` is a link to itself."""
    (volume / "out").symlink_to(target)
    with pytest.raises(ConfigError, match=r"out"):
        bind_sub_path(volume, "out", tmp_path / "never", private=True)
    assert not (tmp_path / "never").exists()


def test_what_is_there_now_is_bound(volume: Path, place: Path) -> None:
    """At each start: the folder, what has taken its place, and a file, to which a link within the volume leads."""
    (volume / "a").mkdir()
    (volume / "a/first").touch()
    (volume / "b").symlink_to("a")
    for _ in range(2):
        bind_sub_path(volume, "b", place, private=True)
        assert [path.name for path in place.iterdir()] == ["first"]
    assert sum(point == str(place) for point in _points()) == 1
    (volume / "a").rename(volume / "old")
    (volume / "a").mkdir()
    bind_sub_path(volume, "b", place, private=True)
    assert list(place.iterdir()) == []
    (volume / "b").unlink()
    (volume / "b").write_text("now a file")
    bind_sub_path(volume, "b", place, private=False)
    assert place.read_text() == "now a file"


def _points() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


@pytest.mark.docker
def test_a_container_whose_sub_path_is_changed_never_sees_the_host(shared: Cluster) -> None:
    agent = shared.start_agent()
    # It ends at once, and is started anew: each time the path is looked at again.
    look = shared.container(
        "victim", "if [ -e /mnt/proc ]; then echo broken out; fi; echo looked; sleep 0.1",
        volumeMounts=[{"name": "work", "mountPath": "/mnt", "subPath": "in"}],
    )  # fmt: skip
    shared.create("victim", containers=[look], volumes=[{"name": "work", "emptyDir": {}}])
    uid = shared.wait_pod("victim", lambda found: restarts(found) > 0).metadata.uid
    directory = agent.config.data_dir / "pods" / uid
    before = restarts(shared.wait_pod("victim", lambda _: True))
    with swapping(directory / "volumes/kubernetes.io~empty-dir/work/in", Path("/")):
        shared.wait_pod("victim", lambda found: restarts(found) >= before + 2, timeout_s=60)
        for row in shared.containers():
            if "_victim_" in row["Names"][0] and "POD" not in row["Names"][0]:
                assert b"broken out" not in shared.docker.logs(row["Id"])
    shared.delete("victim", grace_s=1)
    shared.wait_gone("victim")
    assert not [point for point in mount_points() if uid in point]
    assert not directory.exists()


@pytest.mark.docker
def test_mounts_of_the_host_are_seen_below_a_sub_path_as_asked(shared: Cluster) -> None:
    """And a pod that goes takes none of them with it."""
    shared.start_agent()
    host = shared.directory / "shared-with-host"
    (host / "in/below").mkdir(parents=True)
    with mounted("--bind", str(host), str(host)), mounted("--make-shared", str(host), undone=False):
        mount = {"name": "host", "mountPath": "/mnt", "subPath": "in"}
        follow = [mount | {"mountPropagation": "HostToContainer"}]
        containers = [
            shared.container("follows", "trap 'exit 0' TERM; sleep 1000 & wait", volumeMounts=follow),
            shared.container("apart", "trap 'exit 0' TERM; sleep 1000 & wait", volumeMounts=[mount]),
        ]
        volumes = [{"name": "host", "hostPath": {"path": str(host)}}]
        shared.create("reader", containers=containers, volumes=volumes)
        found = shared.wait_pod("reader", ready)
        with mounted("-t", "tmpfs", "late", str(host / "in/below")):
            (host / "in/below/late").touch()
            seen = {
                one.name: shared.docker.exec_start(
                    shared.docker.exec_create(one.container_id.removeprefix("docker://"), ["ls", "/mnt/below"])["Id"]
                )
                for one in found.status.container_statuses
            }
            assert seen == {"follows": b"late\n", "apart": b""}
            shared.delete("reader", grace_s=1)
            shared.wait_gone("reader")
            assert (host / "in/below/late").exists()


@contextmanager
def mounted(*arguments: str, undone: bool = True) -> Iterator[None]:
    subprocess.run(["mount", *arguments], check=True)
    try:
        yield
    finally:
        if undone:
            subprocess.run(["umount", arguments[-1]], check=True)

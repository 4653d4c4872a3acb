"""Bytes on disk, open files, sockets and tasks: counted one by one, a bounded number at a time."""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cadvisor_lite import metrics
from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.monitor import Monitor
from cadvisor_lite.readers import Holdings, Places, count_holdings
from cadvisor_lite.readers.holdings import Count


def whole(count: Count[Holdings]) -> tuple[Holdings, int]:
    """(what was counted, entries looked at)."""
    looked = 0
    while True:
        try:
            looked += next(count)
        except StopIteration as done:
            return done.value, looked


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A writable layer with a file of 40 KiB under two names, a link to it, and an empty directory."""
    layer = tmp_path / "layer"
    (layer / "var/log").mkdir(parents=True)
    (layer / "var/log/one").write_bytes(os.urandom(40960))
    (layer / "var/log/two").hardlink_to(layer / "var/log/one")
    (layer / "var/link").symlink_to("/etc")
    return layer


@pytest.fixture
def procs_file(tmp_path: Path) -> Path:
    file = tmp_path / "cgroup.procs"
    file.write_text(f"{os.getpid()}\n4194304000\n")
    return file


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    made = [socket.socket() for _ in range(3)]
    yield made
    for one in made:
        one.close()


def test_a_layer_is_counted_once_for_each_file_without_following_links(layer: Path, procs_file: Path) -> None:
    log = layer.parent / "log" / "id-json.log"
    log.parent.mkdir()
    log.write_bytes(os.urandom(8192))
    log.with_suffix(".log.1").write_bytes(os.urandom(4096))
    found, looked = whole(count_holdings(Places("/proc", str(procs_file), str(layer), str(log)), tasks=False))
    assert found.disk is not None
    blocks = sum(path.lstat().st_blocks for path in (layer, layer / "var", layer / "var/log", layer / "var/link"))
    assert found.disk.layer_bytes == blocks * 512 + (layer / "var/log/one").stat().st_blocks * 512
    assert found.disk.log_bytes == 8192 + 4096
    assert found.disk.inodes == 5
    room = os.statvfs(layer)
    assert found.disk.limit_bytes == room.f_blocks * room.f_frsize
    assert looked >= 5


def test_open_files_sockets_and_tasks_are_those_of_living_processes(
    procs_file: Path, sockets: list[socket.socket]
) -> None:
    found, _ = whole(count_holdings(Places("/proc", str(procs_file)), tasks=True))
    assert len(sockets) == 3
    assert found.sockets is not None
    assert found.sockets >= 3
    assert found.file_descriptors is not None
    assert found.file_descriptors >= found.sockets + 1
    assert found.tasks is not None
    assert sum(found.tasks.values()) >= 1
    assert found.disk is None


def test_a_round_looks_at_so_many_entries_and_the_next_one_goes_on(
    recorded: Path, make_config: Callable[..., Config], recorded_containers: list[Container], layer: Path
) -> None:
    for number in range(50):
        (layer / f"file-{number}").touch()
    monitor = Monitor(make_config(recorded, count_per_round=10))
    monitor.put(replace(recorded_containers[0], layer=str(layer)))
    counted = [_disk_bytes(monitor) for _ in range(10) if monitor.keep_house_once() is None]
    assert counted[0] is None
    assert counted[-1] is not None
    assert counted.index(counted[-1]) >= 5


def lines_of(texts: Iterable[str]) -> list[str]:
    return "\n".join(texts).splitlines()


def _disk_bytes(monitor: Monitor) -> int | None:
    held = [tracked.holdings.disk for tracked in monitor.all_tracked() if tracked.container]
    return None if held[0] is None else held[0].total_bytes


def test_the_figures_stand_in_the_scrape_by_cadvisors_names(
    recorded: Path, make_config: Callable[..., Config], recorded_containers: list[Container], layer: Path
) -> None:
    monitor = Monitor(make_config(recorded, disable_metrics=()))
    monitor.put(replace(recorded_containers[0], layer=str(layer)))
    monitor.keep_house_once()
    lines = lines_of(metrics.render_containers(monitor.snapshot(), disabled=()))
    names = {line.partition("{")[0] for line in lines if 'container="POD"' in line}
    assert {
        "container_fs_usage_bytes",
        "container_fs_limit_bytes",
        "container_file_descriptors",
        "container_sockets",
        "container_tasks_state",
    } <= names
    without = lines_of(metrics.render_containers(monitor.snapshot(), disabled=("disk", "process", "cpuLoad")))
    names = {line.partition("{")[0] for line in without}
    assert not names & {"container_fs_usage_bytes", "container_sockets", "container_tasks_state", "container_processes"}


def test_container_info_carries_identities_and_the_labels_that_are_asked_for(
    monitor: Monitor, recorded_containers: list[Container]
) -> None:
    hostile = {"com.example/team": 'a"b\\c\nd', **{f"noise-{number}": "x" for number in range(1000)}}
    labels = {**recorded_containers[1].labels, "io.kubernetes.pod.uid": "u-1", **hostile}
    monitor.put(replace(recorded_containers[1], labels=labels))
    lines = lines_of(metrics.render_containers(monitor.snapshot(), shown_labels=("com.example/team", "absent")))
    info = next(line for line in lines if line.startswith("container_info") and 'container="master"' in line)
    assert info.endswith(
        f',attempt="",container_id="{"2e" * 32}",image_id="sha256:aa",pod_uid="u-1",'
        'container_label_com_example_team="a\\"b\\\\c\\nd"} 1'
    )
    assert not any("noise" in line for line in lines)

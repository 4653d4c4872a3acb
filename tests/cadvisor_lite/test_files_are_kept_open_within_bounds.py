"""Descriptors that stay open: never more than there are to spare, and none on what is gone."""

import shutil
from collections.abc import Callable
from pathlib import Path

from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.monitor import Monitor
from cadvisor_lite.readers.files import KeptFiles, Spare


def open_below(directory: Path) -> int:
    """How many files under this directory this process holds open."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and str(link.readlink()).startswith(f"{directory}/") for link in links)


def test_a_kept_file_is_read_anew_each_time_and_counted_until_it_is_closed(tmp_path: Path) -> None:
    spare, file = Spare(2), tmp_path / "counter"
    files = KeptFiles(spare)
    file.write_text("1\n")
    assert files(str(tmp_path), file.name) == b"1\n"
    file.write_text("22\n" * 5000)
    assert files(str(tmp_path), file.name) == b"22\n" * 5000
    assert (spare.left, open_below(tmp_path)) == (1, 1)
    file.unlink()
    assert files.removed()
    files.close()
    assert (spare.left, open_below(tmp_path)) == (2, 0)


def test_a_file_that_was_absent_is_found_after_another_look(tmp_path: Path) -> None:
    files, file = KeptFiles(Spare(1)), tmp_path / "memory.peak"
    assert files(str(tmp_path), file.name) is None
    file.write_text("7\n")
    assert files(str(tmp_path), file.name) is None
    files.look_again()
    assert files(str(tmp_path), file.name) == b"7\n"
    files.close()


def test_without_a_descriptor_to_spare_files_are_opened_and_closed(
    recorded: Path, make_config: Callable[..., Config], recorded_containers: list[Container]
) -> None:
    monitor = Monitor(make_config(recorded, kept_descriptors=3))
    for container in recorded_containers:
        monitor.put(container)
    for _ in range(3):
        snapshot = monitor.snapshot()
        assert (len(snapshot.tracked), snapshot.errors) == (3, 0)
        assert open_below(recorded) == 3
    monitor.stop()
    assert open_below(recorded) == 0


def test_a_container_that_is_gone_leaves_no_descriptor_open(monitor: Monitor, recorded: Path) -> None:
    monitor.snapshot()
    before = open_below(recorded)
    for directory in recorded.glob(f"cgroup/**/*{'2e' * 32}*"):
        shutil.rmtree(directory)
    assert len(monitor.snapshot().tracked) == 2
    monitor.drop("1f" * 32)
    assert len(monitor.snapshot().tracked) == 1
    assert 0 < open_below(recorded) < before / 2

"""The library's calls on recorded hosts, and on hosts that are damaged while they are read."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.monitor import Monitor
from cadvisor_lite.readers import CgroupGoneError, Roots, find_cgroup, read_container, read_machine, root_cgroup


@pytest.fixture
def roots(recorded: Path) -> Roots:
    return Roots(proc=recorded / "proc", cgroup=recorded / "cgroup", sys=recorded / "sys", etc=recorded / "etc")


def test_a_container_is_read_the_same_from_both_versions(roots: Roots) -> None:
    sample = read_container(find_cgroup(4202, roots=roots), 4202, roots=roots)
    assert sample.cpu is not None
    assert sample.memory is not None
    assert sample.cpu.usage_ns // 1_000_000 == 12345
    assert (sample.cpu.user_ns, sample.cpu.system_ns) == (11_000_000_000, 1_300_000_000)
    assert (sample.cpu.cfs_periods, sample.cpu.cfs_throttled_periods) == (120, 30)
    assert sample.cpu.cfs_throttled_ns == 4_500_000_000
    assert sample.memory.working_set_bytes == 83886080
    assert sample.memory.max_usage_bytes == 209715200
    assert sample.memory.failcnt == 3
    assert [(io.device, io.read_bytes, io.write_bytes) for io in sample.io] == [("254:0", 40960, 8192)]
    assert [interface.name for interface in sample.network] == ["eth0"]
    assert (sample.process_count, sample.thread_count) == (2, 4)
    assert (sample.limits.cpu_quota_us, sample.limits.memory_bytes) == (50000, 268435456)


def test_the_cgroup_is_where_proc_says_and_the_root_is_the_machine(roots: Roots, recorded: Path) -> None:
    name = find_cgroup(4201, roots=roots).name
    assert name == ("/docker/" + "1f" * 32 if recorded.name == "v1" else f"/system.slice/docker-{'1f' * 32}.scope")
    root = read_container(root_cgroup(roots), 1, roots=roots)
    assert root.cpu is not None
    assert root.cpu.usage_ns == 900_000_000_000
    assert root.memory is not None
    assert root.memory.usage_bytes > 0


def test_machine_facts_come_from_the_recorded_trees(roots: Roots) -> None:
    machine = read_machine(roots)
    assert (machine.core_count, machine.physical_core_count, machine.socket_count) == (4, 4, 2)
    assert machine.memory_total_bytes == 8_000_000 * 1024
    assert (machine.hostname, machine.kernel_version) == ("recorded", "6.1.0-recorded")
    assert machine.boot_time_s == 1_700_000_000
    assert [(device.name, device.mtu, device.speed_mbits) for device in machine.network_devices] == [
        ("eth0", 1500, 1000)
    ]
    assert [fs.mount_point for fs in machine.filesystems] == ["/"]


def test_a_process_that_is_gone_has_no_cgroup(roots: Roots) -> None:
    with pytest.raises(CgroupGoneError, match="4299"):
        find_cgroup(4299, roots=roots)


def test_a_cgroup_that_is_gone_is_told_from_a_controller_that_is_off(roots: Roots, recorded: Path) -> None:
    cgroup = find_cgroup(4202, roots=roots)
    for file in [*recorded.glob(f"cgroup/**/*{'2e' * 32}*/**/memory.*")]:
        file.unlink()
    without_memory = read_container(cgroup, 4202, roots=roots)
    assert without_memory.memory is None
    assert without_memory.cpu is not None
    for directory in [*recorded.glob(f"cgroup/**/*{'2e' * 32}*")]:
        shutil.rmtree(directory)
    with pytest.raises(CgroupGoneError):
        read_container(cgroup, 4202, roots=roots)


def test_every_file_may_vanish_at_any_point_of_a_reading(
    recorded: Path, make_config: Callable[..., Config], recorded_containers: list[Container], tmp_path: Path
) -> None:
    """Takes the app's files away one more at a time; the sandbox and the machine are read every time."""
    files = sorted(file for file in recorded.glob(f"cgroup/**/*{'2e' * 32}*/*"))
    assert files
    monitor = Monitor(make_config(recorded))
    for file in files:
        file.unlink()
        if not any(file.parent.iterdir()):
            file.parent.rmdir()
        for container in recorded_containers:
            monitor.put(container)
        snapshot = monitor.snapshot()
        assert snapshot.errors == 0
        assert len(snapshot.tracked) >= 2
    assert len(monitor.snapshot().tracked) == 2
    assert len(list(monitor.ids())) == 1


def test_a_file_of_nonsense_costs_its_own_reader_only_and_is_counted(recorded: Path, monitor: Monitor) -> None:
    for file in [*recorded.glob(f"cgroup/**/*{'2e' * 32}*/**/memory.stat")]:
        file.write_text("what is this\n")
    snapshot = monitor.snapshot()
    assert snapshot.errors == 1
    samples = {tracked.container.container: sample for tracked, sample in snapshot.tracked if tracked.container}
    assert samples["POD"].memory is not None
    assert samples["master"].memory is None
    assert samples["master"].cpu is not None
    assert {reader: count for reader, count in monitor.read_errors.items() if count} == {"memory": 1}


def test_history_is_bounded_and_goes_with_the_container(monitor: Monitor, recorded_containers: list[Container]) -> None:
    for _ in range(30):
        monitor.keep_house_once()
    assert {len(tracked.history) for tracked in monitor.all_tracked()} == {13}
    for container in recorded_containers:
        monitor.drop(container.id)
    assert [tracked.cgroup.name for tracked in monitor.all_tracked()] == ["/"]


def test_history_is_kept_through_a_rename_and_ends_with_a_restart(
    monitor: Monitor, recorded_containers: list[Container]
) -> None:
    monitor.keep_house_once()
    sandbox = recorded_containers[0]
    monitor.put(replace(sandbox, name="renamed"))
    assert [len(t.history) for t in monitor.all_tracked() if t.container and t.container.id == sandbox.id] == [1]
    monitor.put(replace(sandbox, pid=4202))
    assert [len(t.history) for t in monitor.all_tracked() if t.container and t.container.id == sandbox.id] == [0]


def test_a_process_whose_cgroup_file_makes_no_sense_is_counted_and_left_out(
    recorded: Path, make_config: Callable[..., Config], recorded_containers: list[Container]
) -> None:
    (recorded / "proc/4202/cgroup").write_text("nonsense\n")
    monitor = Monitor(make_config(recorded))
    for container in recorded_containers:
        monitor.put(container)
    assert list(monitor.ids()) == [recorded_containers[0].id]
    assert monitor.read_errors["cgroup"] == 1

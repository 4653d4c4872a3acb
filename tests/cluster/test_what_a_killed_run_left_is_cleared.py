"""A run that was killed leaves hosts behind; the next one takes them away, and nothing of a run that goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import leftovers
from tests.cluster.machines import Machine, Segment, run

pytestmark = pytest.mark.hosts


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """All but booted, of a run whose process is no more; a process of its own is still in its cgroups."""
    gone = subprocess.Popen(["true"])
    gone.wait(10)
    segment = Segment(f"stz{gone.pid}", "198.19.9")
    made = Machine("left", 1, segment, tmp_path / "left", tmp_path / "image", tmp_path / "key")
    for name in ("etc/systemd/system", "etc/ssh", "root"):
        (made.image / name).mkdir(parents=True)
    made.key.with_suffix(".pub").write_text("")
    segment.make()
    try:
        made.make()
        yield made
    finally:
        made.remove()
        segment.remove()


def test_what_a_dead_run_left_goes_and_the_living_stays(machine: Machine) -> None:
    living = Segment(f"stz{os.getpid()}", "198.19.8")
    living.make()
    left = subprocess.Popen(["sleep", "600"])
    try:
        for folder in machine._cgroups():
            (folder / "cgroup.procs").write_text(str(left.pid))
        assert machine.segment.name in leftovers.clear()
        assert left.wait(10) < 0
        assert Path("/run/netns", living.name).exists()
        assert not Path("/run/netns", machine.segment.name).exists()
        assert machine.unique not in Path("/proc/self/mounts").read_text()
        assert not machine.folder.exists()
        assert [one for one in machine._cgroups() if one.exists()] == []
    finally:
        left.kill()
        living.remove()
    assert living.name not in run("ip", "netns")

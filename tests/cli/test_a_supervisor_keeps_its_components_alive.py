"""Real processes, really killed."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from cli import board
from cli.processes import find
from tests.e2e.waiting import until


def lives(run_dir: Path, name: str) -> list[int]:
    """The pids under which a component has lived."""
    file = run_dir / f"{name}.lives"
    lines = file.read_text().splitlines() if file.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("start ")]


def written(run_dir: Path) -> board.Board:
    found = board.read(run_dir)
    assert found is not None
    return found


def test_a_killed_component_is_started_again(tmp_path: Path, start: Any) -> None:
    supervisor = start("run_supervisor.py", tmp_path, 0, "one", "two")
    until(lambda: len(lives(tmp_path, "one")) == 1 and len(lives(tmp_path, "two")) == 1)
    os.kill(lives(tmp_path, "one")[0], signal.SIGKILL)
    until(lambda: len(lives(tmp_path, "one")) == 2)
    until(lambda: written(tmp_path).entries[0].restarts == 1)
    assert written(tmp_path).entries[0].last_exit == "killed by SIGKILL"
    assert len(lives(tmp_path, "two")) == 1
    assert "component ended component=one" in (tmp_path / "supervisor.log").read_text()
    assert supervisor.poll() is None


def test_a_nameless_signal_and_a_full_disk_end_no_supervisor(tmp_path: Path, start: Any) -> None:
    supervisor = start("run_supervisor.py", tmp_path, 0, "one", "two")
    until(lambda: len(lives(tmp_path, "one")) == 1 and len(lives(tmp_path, "two")) == 1)
    (tmp_path / board.FILE_NAME).unlink()
    (tmp_path / board.FILE_NAME).mkdir()  # nothing can take its name, as on a full disk
    os.kill(lives(tmp_path, "one")[0], signal.SIGRTMIN + 5)
    until(lambda: len(lives(tmp_path, "one")) == 2)
    until(lambda: "who runs was not written down" in (tmp_path / "supervisor.log").read_text())
    (tmp_path / board.FILE_NAME).rmdir()
    os.kill(lives(tmp_path, "two")[0], signal.SIGKILL)
    until(lambda: written_or_none(tmp_path) and written(tmp_path).entries[1].restarts == 1)
    assert written(tmp_path).entries[0].last_exit == f"killed by signal {signal.SIGRTMIN + 5}"
    assert supervisor.poll() is None


def test_a_component_that_cannot_start_is_tried_less_and_less_often(tmp_path: Path, start: Any) -> None:
    start("run_supervisor.py", tmp_path, 0, "one", "fails")
    until(lambda: written_or_none(tmp_path) and written(tmp_path).entries[1].restarts >= 4)
    log = (tmp_path / "supervisor.log").read_text()
    assert [f"restart_in_s={delay}" in log for delay in ("0.1", "0.2", "0.4", "0.8")] == [True] * 4
    assert "RuntimeError: cannot start" in (tmp_path / "fails.log").read_text()
    assert written(tmp_path).entries[1].last_exit == "exit code 1"


def written_or_none(run_dir: Path) -> bool:
    return board.read(run_dir) is not None


def test_components_end_when_their_supervisor_is_killed(tmp_path: Path, start: Any) -> None:
    supervisor = start("run_supervisor.py", tmp_path, 0, "one", "two")
    until(lambda: len(lives(tmp_path, "one")) == 1 and len(lives(tmp_path, "two")) == 1)
    until(lambda: all(one.process for one in written(tmp_path).entries))
    processes = written(tmp_path).processes
    supervisor.kill()
    supervisor.wait(10)
    until(lambda: all(find(one) is None for one in processes))
    assert "stop" in (tmp_path / "one.lives").read_text()  # they were asked, not shot


def test_a_request_to_stop_ends_all_and_says_so(tmp_path: Path, start: Any) -> None:
    supervisor = start("run_supervisor.py", tmp_path, 0, "one", "two")
    until(lambda: len(lives(tmp_path, "one")) == 1 and len(lives(tmp_path, "two")) == 1)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(10) == 0
    assert [one.process for one in written(tmp_path).entries] == [None, None]
    lines = (tmp_path / "supervisor.log").read_text()
    assert lines.index("stopped component=two") < lines.index("stopped component=one")  # the first ends last


def test_a_second_supervisor_is_refused(tmp_path: Path, start: Any) -> None:
    start("run_supervisor.py", tmp_path, 0, "one")
    until(lambda: len(lives(tmp_path, "one")) == 1)
    second: subprocess.Popen[str] = start("run_supervisor.py", tmp_path, 0, "one")
    output, _ = second.communicate(timeout=10)
    assert second.returncode == 1
    assert "another supervisor has the lock" in output
    assert len(lives(tmp_path, "one")) == 1


def test_a_new_supervisor_takes_over_after_a_kill(tmp_path: Path, start: Any) -> None:
    first = start("run_supervisor.py", tmp_path, 0, "one")
    until(lambda: len(lives(tmp_path, "one")) == 1)
    first.kill()
    start("run_supervisor.py", tmp_path, 10, "one")
    until(lambda: len(lives(tmp_path, "one")) == 2)
    before, after = lives(tmp_path, "one")
    events = (tmp_path / "one.lives").read_text().splitlines()
    assert events.index(f"stop {before}") < events.index(f"start {after}")  # never two at once

"""`steersman COMPONENT` as a process: settings, signals, exit codes, systemd's notices."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.waiting import until


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def started(file: Path) -> bool:
    return file.exists() and "start" in file.read_text()


def test_sigterm_stops_it_cleanly(tmp_path: Path, start: Any) -> None:
    file = tmp_path / "lives"
    process = start("run_component.py", "--file", file, "--node-name", "n1")
    until(lambda: started(file))
    process.send_signal(signal.SIGTERM)
    code, output = finish(process)
    assert code == 0
    assert "info fakepart.main: fake runs node=n1" in output
    assert "stop" in file.read_text()


def test_a_signal_is_seen_while_the_main_thread_sleeps_on(tmp_path: Path, start: Any) -> None:
    file = tmp_path / "lives"
    process = start("run_component.py", "--file", file, "--node-name", "hears-nothing")
    until(lambda: started(file) and "deaf" in file.read_text())
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 0


def test_a_signal_in_the_middle_of_the_wait_for_it_ends_the_wait(tmp_path: Path, start: Any) -> None:
    file = tmp_path / "lives"
    process = start("run_component.py", "--file", file, "--node-name", "holds-the-lock")
    until(lambda: started(file) and "holds" in file.read_text())
    process.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    assert finish(process)[0] == 0


def test_a_failure_is_logged_with_its_cause_and_exits_1(start: Any) -> None:
    code, output = finish(start("run_component.py", "--node-name", "fails"))
    assert code == 1
    assert "error cli.daemon: component failed component=fakepart" in output
    assert "RuntimeError: cannot start" in output


def test_a_bad_file_exits_2_and_names_the_key(tmp_path: Path, start: Any) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("prot: 1\n")
    code, output = finish(start("run_component.py", "--config", file))
    assert code == 2
    assert output == f"{file}: unknown key 'prot'; did you mean 'port'?\n"


def test_check_config_shows_the_settings_and_does_not_run(tmp_path: Path, start: Any) -> None:
    file = tmp_path / "lives"
    process = start("run_component.py", "--check-config", "--file", file, STEERSMAN_FAKEPART_PORT="7")
    code, output = finish(process)
    assert code == 0
    assert "port: 7  # $STEERSMAN_FAKEPART_PORT" in output
    assert not file.exists()


def test_systemd_is_told(tmp_path: Path, start: Any) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(10)
        process = start("run_component.py", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert channel.recv(100) == b"READY=1\nSTATUS=serving"
        process.send_signal(signal.SIGTERM)
        assert channel.recv(100) == b"STOPPING=1"
        assert finish(process)[0] == 0


def test_lines_for_the_journal_carry_their_priority(start: Any) -> None:
    _, output = finish(start("run_component.py", "--node-name", "fails", JOURNAL_STREAM="1:2"))
    lines = output.splitlines()
    assert "<6>fakepart.main: fake runs node=fails" in lines
    assert "<3>RuntimeError: cannot start" in lines


def test_a_second_signal_ends_it_at_once(tmp_path: Path, start: Any) -> None:
    file = tmp_path / "lives"
    process = start("run_component.py", "--file", file, "--node-name", "hangs")
    until(lambda: started(file))
    process.send_signal(signal.SIGTERM)
    until(lambda: "hangs on" in file.read_text())
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 128 + signal.SIGTERM

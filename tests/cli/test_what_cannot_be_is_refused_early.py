"""Waits that never end, names that no node can have, a forbidden Docker; and progress that stays one line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.errors import ApiError
from cli import progress
from cli.cluster import Settings, refuse_host_name
from cli.errors import CommandError, SettingsError
from cli.readiness import missing_api
from cli.traces import docker
from tests.cli.conftest import ROOT, clean_environment


@pytest.mark.parametrize("verb", ["up", "demo"])
@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "soon"])
def test_a_limit_that_is_no_number_of_seconds(tmp_path: Path, steersman: Any, verb: str, limit: str) -> None:
    result = steersman(verb, f"--timeout={limit}", "--root", tmp_path)
    assert result.returncode == 2
    assert f"argument --timeout: must be a number of seconds, 0 or more, is '{limit}'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_host_name_that_no_node_can_have_is_told_with_the_flag() -> None:
    refuse_host_name(Settings(node_name="my-host"))
    with pytest.raises(SettingsError, match='Invalid value: "my_host": a lowercase RFC 1123 subdomain') as caught:
        refuse_host_name(Settings(node_name="my_host"))
    assert "--node-name" in caught.value.hint


class _Transport:
    def request(self, _method: str, _path: str) -> bytes:
        raise ApiError("[+]ping ok\n[-]etcd failed: reason withheld\n[-]log failed\nreadyz check failed\n")


class _Client:
    transport = _Transport()


def test_of_the_readiness_only_the_first_failing_check_is_shown() -> None:
    client: Any = _Client()
    assert missing_api(client) == "etcd failed: reason withheld"


def test_progress_is_one_line_that_does_not_wrap(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    answers = iter(["one\ntwo " + "long " * 20, ""])
    progress.wait("x", lambda: next(answers), limit_s=60)
    _, waiting, _ready = capsys.readouterr().out.split("\r\x1b[2K")
    assert waiting == "x: one two long lon"


def test_a_socket_without_the_right_to_it_is_told_as_such(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.chown(closed, 65534, 65534)
    code = f"from cli.traces import docker; docker.connect('unix://{closed}/docker.sock')"
    # Root that may not pass over modes, as in the other tests of rights.
    without = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
    command = (*without, sys.executable, "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=clean_environment())
    assert done.stderr.rstrip().endswith(f"CommandError: unix://{closed}/docker.sock: Permission denied")


def test_a_socket_where_nobody_listens_is_told_to_be_started(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not answer") as caught:
        docker.connect(f"unix://{tmp_path}/docker.sock")
    assert caught.value.hint.startswith("start it")


def test_a_supervisor_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "var/log/steersman/supervisor.log").mkdir(parents=True)
    code = (
        "import os; from pathlib import Path; from cli.cluster import Settings; from cli.up import _detach\n"
        f"started = _detach(Settings(root=Path({str(tmp_path)!r})), [])\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]))"
    )
    command = (sys.executable, "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=clean_environment())
    assert done.stdout == "1\n"
    assert "supervisor.log" in done.stderr
    assert "IsADirectoryError" in done.stderr

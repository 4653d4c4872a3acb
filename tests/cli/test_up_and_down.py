"""`steersman up`, `status` and `down` with components of the tests' own, as processes in the background."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import board
from cli.processes import end, find
from tests.e2e.waiting import until


class Cluster:
    """A cluster below a directory of its own, and the command that rules it."""

    def __init__(self, root: Path, start: Any) -> None:
        self.root = root / "root"
        self.lives = root / "lives"
        self._start = start
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def call(self, *arguments: object, **environment: str) -> tuple[int, str]:
        process = self.begin(*arguments, **environment)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def begin(self, *arguments: object, **environment: str) -> Any:
        words = [arguments[0], "--root", self.root, *arguments[1:]]
        return self._start("run_steersman.py", *words, LIVES=str(self.lives), **environment)

    def up(self, *arguments: object, **environment: str) -> tuple[int, str]:
        flags = ("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--node-name=n1", "--name=test-up")
        return self.call("up", f"--apiserver-port={self.port}", "--timeout=20", *flags, *arguments, **environment)

    @property
    def board(self) -> board.Board:
        found = board.read(self.root / "run/steersman")
        assert found is not None
        return found

    @property
    def pids(self) -> list[int]:
        return [one.process.pid for one in self.board.entries if one.process]


@pytest.fixture
def cluster(tmp_path: Path, start: Any) -> Iterator[Cluster]:
    found = Cluster(tmp_path, start)
    yield found
    left = board.read(found.root / "run/steersman")
    for process in left.processes if left else ():
        end(process, limit_s=5)


def test_up_returns_when_the_cluster_is_ready_and_down_ends_it(cluster: Cluster) -> None:
    code, output = cluster.up()
    assert code == 0, output
    kubeconfig = cluster.root / "etc/steersman/admin.kubeconfig"
    assert "API server: ready" in output
    assert "node n1: ready" in output
    assert f"its kubeconfig: {kubeconfig}" in output
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    assert len(cluster.pids) == 2
    code, output = cluster.call("status")
    assert code == 0, output
    assert "n1" in output
    processes = cluster.board.processes
    code, output = cluster.call("down")
    assert (code, "is down" in output) == (0, True)
    assert [find(one) for one in processes] == [None, None, None]
    assert cluster.call("down") == (0, "cluster test-up was not running\n")
    assert cluster.call("status")[0] == 3


def test_a_second_up_changes_nothing(cluster: Cluster) -> None:
    cluster.up()
    before = cluster.board.processes
    code, output = cluster.call("up")  # all settings are found in the file
    assert code == 0, output
    assert "already running" in output
    assert cluster.board.processes == before


def test_certificates_are_counted_at_first_and_told_one_by_one_later(cluster: Cluster) -> None:
    _, output = cluster.up()
    told = [line for line in output.splitlines() if line.startswith("certificates and kubeconfig files: ")]
    assert re.fullmatch(r"\S.*: \d+ made", *told)
    cluster.call("down")
    (cluster.root / "etc/steersman/admin.kubeconfig").unlink()
    _, output = cluster.up()
    assert "certificates and kubeconfig files: made admin.kubeconfig: missing\n" in output


def test_other_settings_are_refused_while_it_runs(cluster: Cluster) -> None:
    cluster.up()
    code, output = cluster.call("up", "--bridge=br-other", "--agent-port=1234")
    assert code == 1
    assert "bridge: asked br-other, runs with steer0" in output
    assert "agent-port: asked 1234, runs with 10250" in output
    assert "steersman down" in output
    assert "br-other" not in (cluster.root / "etc/steersman/cluster.yaml").read_text()


def test_a_second_supervisor_in_the_foreground_is_refused(cluster: Cluster) -> None:
    cluster.up()
    code, output = cluster.call("up", "--foreground")
    assert code == 1
    assert "already running" in output


def test_a_flag_of_a_later_up_is_saved(cluster: Cluster) -> None:
    cluster.up()
    cluster.call("down")
    code, output = cluster.call("up", "--bridge=br-other")
    assert code == 0, output
    assert "bridge: br-other" in (cluster.root / "etc/steersman/cluster.yaml").read_text()


def test_up_after_everything_was_killed(cluster: Cluster) -> None:
    cluster.up()
    killed = cluster.board.processes
    for one in killed:
        os.kill(one.pid, signal.SIGKILL)
    code, output = cluster.call("up")
    assert code == 0, output
    assert set(cluster.pids).isdisjoint(one.pid for one in killed)


def test_up_after_the_supervisor_was_killed_waits_for_its_components(cluster: Cluster) -> None:
    cluster.up()
    os.kill(cluster.board.supervisor.pid, signal.SIGKILL)
    code, output = cluster.call("up")
    assert code == 0, output
    events = cluster.lives.read_text().split("\n")
    assert [line.split()[0] for line in events if line] == ["start", "stop", "start"]


def test_a_component_that_cannot_start_is_shown_with_its_log(cluster: Cluster) -> None:
    code, output = cluster.up("--timeout=3", FAILS="1")
    # The node is ready in this cluster whatever the component does; the status tells of it, but while it is tried anew.
    assert code == 0, output
    asked: list[tuple[int, str]] = []

    def failure_is_told() -> bool:
        asked.append(cluster.call("status"))
        return asked[-1][0] == 3

    until(failure_is_told)
    assert "exit code 1" in asked[-1][1]


def test_an_api_server_that_cannot_start_fails_up_with_its_log(cluster: Cluster) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.port))
        code, output = cluster.up("--timeout=2")
    assert code == 1
    assert "API server: not ready after 2 s" in output
    assert "Address already in use" in output


def test_the_foreground_tells_systemd_when_the_cluster_is_ready(cluster: Cluster, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(20)
        flags = ("--bind-address=127.0.0.1", "--node-name=n1", "--name=test-up", f"--apiserver-port={cluster.port}")
        process = cluster.begin("up", "--foreground", *flags, NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert channel.recv(100) == b"READY=1"
        assert len(cluster.pids) == 2
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "stopped component=fakepart" in output

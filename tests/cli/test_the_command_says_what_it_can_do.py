"""Help, unknown commands, completion, and commands where there is no cluster."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.components import COMPONENTS
from cli.processes import Identity
from cli.steersman import VERBS
from cli.supervisor import MAX_DELAY_S, next_delay
from cli.table import age, render, size
from tests.cli.conftest import ROOT, clean_environment


def test_without_a_command_it_lists_them_all(steersman: Any) -> None:
    result = steersman()
    assert result.returncode == 2
    for one in (*VERBS, *COMPONENTS):
        assert f"  {one.name} " in result.stdout
        assert one.help in result.stdout


def test_an_unknown_command_is_told_the_closest(steersman: Any) -> None:
    result = steersman("unistall")
    assert result.returncode == 2
    assert result.stderr == "steersman unistall: unknown command 'unistall'\ndid you mean 'uninstall'?\n"


def test_version(steersman: Any) -> None:
    assert steersman("version").stdout == steersman("--version").stdout
    assert steersman("version").stdout.startswith("steersman 0.")


@pytest.mark.parametrize("verb", ["down", "status", "kubeconfig"])
def test_where_there_is_no_cluster_it_says_so(tmp_path: Path, steersman: Any, verb: str) -> None:
    result = steersman(verb, "--root", tmp_path)
    assert result.returncode == {"down": 0, "status": 3, "kubeconfig": 1}[verb]
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bad_saved_file_is_named(tmp_path: Path, steersman: Any) -> None:
    (tmp_path / "cluster.yaml").write_text("bridgee: x\n")
    result = steersman("status", "--config-dir", tmp_path)
    assert result.returncode == 2
    assert f"{tmp_path}/cluster.yaml: unknown key 'bridgee'; did you mean 'bridge'?" in result.stderr


def test_a_full_disk_is_told_without_a_traceback(tmp_path: Path, steersman: Any) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "steersman-test", str(tmp_path)], check=True)
    try:
        result = steersman("certificates", "master", "--root", tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert result.returncode == 1
    assert re.fullmatch(rf"steersman certificates: {tmp_path}/.*: No space left on device\n.*room.*\n", result.stderr)


def test_settings_that_may_not_be_read_are_told_without_a_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "etc/steersman"
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    os.chown(folder, 65534, 65534)
    # Root that may not pass over modes: a real other user does not reach a checkout and a Python below /root.
    without = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
    command = (*without, sys.executable, "-m", "cli.steersman", "status", "--root", tmp_path)
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=clean_environment())
    said = f"steersman status: {folder}/cluster.yaml: Permission denied\n"
    assert (result.returncode, result.stderr) == (1, said)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_all_commands_and_flags(steersman: Any, shell: str) -> None:
    result = steersman("completion", shell)
    assert result.returncode == 0, result.stderr
    for word in ("uninstall", "apiserver", "pod-cidr", "dry-run", "check-config"):
        assert word in result.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.stdout, text=True, check=True)


def test_bash_completes_a_flag(steersman: Any, tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(steersman("completion", "bash").stdout)
    words = f'. {script}; COMP_WORDS=(steersman up --pod); COMP_CWORD=2; _steersman; echo "${{COMPREPLY[@]}}"'
    result = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["--pod-cidr", "--pod-log-dir"]


def test_restarts_wait_longer_each_time_and_no_longer_than_the_limit() -> None:
    delays = [0.0]
    for _ in range(12):
        delays.append(next_delay(delays[-1], ran_s=0.5))
    assert delays[1:5] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == MAX_DELAY_S
    assert next_delay(MAX_DELAY_S, ran_s=60) == 0.1


def test_tables_are_aligned_and_ages_short() -> None:
    assert render(("A", "BB"), [("long", ""), ("x", "y")]) == "A      BB\nlong\nx      y"
    assert [age(one) for one in (5, 600, 4 * 3600 + 60, 3 * 86400)] == ["5s", "10m", "4h1m", "3d0h"]
    assert size(3 * 2**20) == "3.0Mi"


def test_a_pid_given_out_again_is_not_the_same_process() -> None:
    import os

    from cli.processes import find, identity

    me = identity(os.getpid())
    assert find(me) is not None
    assert find(Identity(me.pid, me.started - 60)) is None

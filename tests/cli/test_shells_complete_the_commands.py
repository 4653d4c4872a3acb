"""Tab completes both commands in bash, zsh and fish, set up as the bundle's `install` does it: real shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv/bin"
LIMIT_S = 60.0
PROMPT = "ready>"
# Asked to complete, it is the real one; run, it writes down what the shell had made of the line.
STAND_IN = """#!/bin/sh
[ -z "$_STEER_COMPLETE" ] || exec {real} "$@"
echo "$@" > {said}.new && mv {said}.new {said}
"""
LINES = [
    ("steersman uninst", "uninstall"),
    ("steersman apiserver --etcd-pre", "apiserver --etcd-prefix"),
    ("steersman snapshot insp", "snapshot inspect"),
    ("steer api-res", "api-resources"),
    ("steer get --all-name", "get --all-namespaces"),
]


class Shell:
    """One at a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, environment)
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def read_until(self, condition: object) -> None:
        """Until it holds: a text to be shown, or a file to be there."""
        deadline = time.monotonic() + LIMIT_S
        while not (condition.exists() if isinstance(condition, Path) else str(condition) in self._seen):
            assert time.monotonic() < deadline, f"waited in vain for {condition}: {self._seen!r}"
            if select.select([self._terminal], [], [], 0.05)[0]:
                self._seen += os.read(self._terminal, 65536).decode(errors="replace")

    def end(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, Path]]:
    name = request.param
    assert shutil.which(name), f"{name} is missing: scripts/setup-host --tests installs it"
    home = tmp_path_factory.mktemp(name)
    said = home / "said"
    scripts = {}
    for command in ("steersman", "steer"):
        script = subprocess.run([BIN / command, "completion", name], capture_output=True, check=True, timeout=60).stdout
        scripts[command] = home / {"bash": command, "zsh": f"_{command}", "fish": f"{command}.fish"}[name]
        scripts[command].write_bytes(script)
        stand_in = home / "bin" / command
        stand_in.parent.mkdir(exist_ok=True)
        stand_in.write_text(STAND_IN.format(real=BIN / command, said=said))
        stand_in.chmod(0o755)
    environment = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    opened = Shell(
        [name, *{"bash": ["--norc", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[name]], environment
    )
    start = {
        "bash": f"source {scripts['steersman']}; source {scripts['steer']}; PS1=ready'>'",
        "zsh": f"fpath=({home} $fpath); autoload -U compinit; compinit -u -D; PS1=ready'>'",
        "fish": f"set -p fish_complete_path {home}; function fish_prompt; echo -n ready'>'; end",
    }
    opened.type(start[name] + "\n")
    try:
        opened.read_until(PROMPT)
        yield opened, said
    finally:
        opened.end()


@pytest.mark.parametrize(("typed", "wanted"), LINES, ids=[typed for typed, _ in LINES])
def test_a_tab_completes_what_was_begun(shell: tuple[Shell, Path], typed: str, wanted: str) -> None:
    opened, said = shell
    said.unlink(missing_ok=True)
    opened.type(f"{typed}\t\r")
    opened.read_until(said)
    assert said.read_text().strip() == wanted

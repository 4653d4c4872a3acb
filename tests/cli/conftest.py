"""What the tests of the command line share: processes that are ended whatever happens, and waiting with a limit."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PARTS = HERE / "parts"


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of ours, and with the tests' component in reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEERSMAN_")}
    return kept | {"PYTHONPATH": f"{ROOT}:{PARTS}", "PYTHONUNBUFFERED": "1"} | more


class Start(Protocol):
    def __call__(self, script: str, *arguments: object, **environment: str) -> "subprocess.Popen[str]": ...


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a script of parts/; it is killed at the end of the test if it still lives."""
    started: list[subprocess.Popen[str]] = []

    def start_one(script: str, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, PARTS / script, *map(str, arguments)],
            env=clean_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def steersman() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run the steersman command to its end."""

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "cli.steersman", *map(str, arguments)],
            env=clean_environment(**environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run

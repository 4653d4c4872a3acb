"""What the tests of the documentation share: the pages, and the command in reach."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def kubectl() -> str:
    """The kubectl of the locked dependencies, or the host's."""
    found = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert found is not None, "no kubectl: scripts/setup-venv installs one"
    return found


@cache
def _help(command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "cli.steersman", *command.split(), "--help"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEERSMAN_")}
    return subprocess.run(
        words, cwd=ROOT, env=kept | {"COLUMNS": "500"}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="session")
def help_of() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs `steersman COMMAND --help`, once for each command; "" is the command without any."""
    return _help

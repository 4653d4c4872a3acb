"""`uv tool install` and `pipx install` give both commands; long, for the tools themselves are fetched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands `uv` and `pipx`."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    command = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv", "pipx"]
    subprocess.run(command, check=True, timeout=600)
    return folder / "bin"


@pytest.mark.parametrize("tool", ["uv", "pipx"])
def test_a_tool_installs_both_commands(tool: str, tools: Path, bundle: Path, tmp_path: Path) -> None:
    (wheel,) = (bundle / "wheels").glob("steersman-*.whl")
    # The libraries are those of the bundle: what is asked here is whether the wheel is one that these tools take.
    where = f"--no-index --find-links={bundle}/wheels"
    python = Path(sys.base_prefix, "bin/python3.11") if sys.version_info[:2] == (3, 11) else Path(sys.executable)
    command = {
        "uv": [tools / "uv", "tool", "install", "--python", python, *where.split(), wheel],
        "pipx": [tools / "pipx", "install", "--python", python, f"--pip-args={where}", wheel],
    }[tool]
    places = {
        "HOME": tmp_path, "UV_TOOL_DIR": tmp_path / "uv", "UV_TOOL_BIN_DIR": tmp_path / "bin",
        "UV_CACHE_DIR": tmp_path / "c",
        "PIPX_HOME": tmp_path / "pipx", "PIPX_BIN_DIR": tmp_path / "bin", "PIPX_DEFAULT_BACKEND": "pip",
    }  # fmt: skip
    environment = os.environ | {name: str(place) for name, place in places.items()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("steersman", "steer"):
        shown = subprocess.run([tmp_path / "bin" / name, "--help"], capture_output=True, text=True, cwd="/", check=True)
        assert name in shown.stdout
    assert {one.name for one in (tmp_path / "bin").iterdir()} == {"steersman", "steer"}

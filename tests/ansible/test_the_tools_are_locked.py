"""What drives the playbooks is what ansible/requirements.txt locks, file by file."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.ansible.conftest import ROOT, Tools

LOCK = ROOT / "ansible/requirements.txt"
ASKED = ROOT / "ansible/requirements.in"
ENTRY = re.compile(r"^([a-z0-9.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def locked() -> dict[str, str]:
    """Name to version of whatever has a hash."""
    return {match[1]: match[2] for match in ENTRY.finditer(LOCK.read_text())}


def test_every_version_is_locked_with_hashes_and_fits_what_is_asked() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.lstrip().startswith(("#", "--hash"))]
    assert {line.partition("==")[0] for line in lines} == locked().keys()
    asked = [Requirement(line) for line in ASKED.read_text().splitlines() if line and not line.startswith("#")]
    assert {one.name for one in asked} == {"ansible-core", "ansible-lint"}
    for one in asked:
        assert one.specifier.contains(locked()[one.name]), f"{one}: run `make lock`"


def test_the_tools_are_of_the_locked_versions(tools: Tools) -> None:
    found = tools.folder.parent.glob("lib/python3*/site-packages/*.dist-info")
    versions = {canonicalize_name(name): version for name, version in (one.stem.split("-") for one in found)}
    assert {name: version for name, version in versions.items() if name not in ("pip", "setuptools")} == locked()


def test_a_file_of_another_hash_is_not_installed(tmp_path: Path) -> None:
    for folder in ("scripts", "ansible"):
        (tmp_path / folder).mkdir()
    script = shutil.copy(ROOT / "scripts/ansible-tools", tmp_path / "scripts")
    (tmp_path / "ansible/requirements.txt").write_text(f"distro==1.9.0 --hash=sha256:{'0' * 64}\n")
    done = subprocess.run([script], capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / ".venv/ansible/.steersman-stamp").exists()

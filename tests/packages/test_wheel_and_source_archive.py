"""The wheel holds the whole program, and the source archive makes the same wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.packages.conftest import ROOT, unpack


def build(source: Path, target: Path, kind: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "build", kind, "--outdir", target, source],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.iterdir()
    return made


def test_the_source_archive_makes_the_wheel_of_the_bundle(bundle: Path, tmp_path: Path) -> None:
    (wheel,) = (bundle / "wheels").glob("steersman-*.whl")
    archive = build(ROOT, tmp_path / "sdist", "--sdist")
    unpack(archive, tmp_path / "source")
    (source,) = (tmp_path / "source").iterdir()
    again = build(source, tmp_path / "wheel", "--wheel")
    assert again.name == wheel.name
    assert members(again) == members(wheel)
    assert (source / "systemd/steersman-agent.service").is_file()
    assert (source / "scripts/bundle").is_file()


def test_the_wheel_has_every_file_of_the_packages_and_no_test(bundle: Path) -> None:
    (wheel,) = (bundle / "wheels").glob("steersman-*.whl")
    held = members(wheel)
    assert {"cadvisor_lite/page/page.html", "cli/steersman.py", "cli/steer/main.py"} <= held
    assert not any(one.startswith(("tests/", "bench/")) for one in held)


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())

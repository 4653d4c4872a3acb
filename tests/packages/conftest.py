"""What the tests of packages share: one bundle for all of them, made by the script that makes the real ones."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    made = subprocess.run(
        [ROOT / "scripts/bundle", "--output", folder], capture_output=True, text=True, timeout=170, check=False
    )
    assert made.returncode == 0, made.stderr
    packed = Path(made.stdout.strip())
    assert packed.parent == folder
    unpack(packed, folder)
    return folder / packed.name.removesuffix(".tar.gz")


@pytest.fixture(scope="session")
def slim(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same bundle with no more wheels than installing needs, so that it is installed in a second."""
    folder = tmp_path_factory.mktemp("slim") / bundle.name
    shutil.copytree(bundle, folder)
    listed = folder / "requirements.txt"
    kept = [one for one in listed.read_text().splitlines(True) if one.startswith(("steersman=", "msgspec=", "pyyaml="))]
    listed.write_text("".join(kept))
    summed(folder)
    return folder


@pytest.fixture(scope="session")
def installed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a host on which the bundle was installed; only to be looked at."""
    root = tmp_path_factory.mktemp("installed")
    install(bundle, root)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a host that has nothing yet."""
    return tmp_path / "root"


def unpack(archive: Path, folder: Path) -> None:
    """With tar: Debian 12's Python has no filters yet, later ones warn without."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", folder], check=True)


def summed(bundle: Path) -> None:
    """Make the sums anew after a change."""
    script = "find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs sha256sum > SHA256SUMS"
    subprocess.run(["sh", "-c", script], cwd=bundle, check=True)


def install(bundle: Path, root: Path, *arguments: object, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run the bundle's `install` without any network."""
    done = subprocess.run(
        ["unshare", "--net", bundle / "install", "--destdir", root, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def tree(root: Path) -> dict[str, str]:
    """Every path below the root, with what it leads to or when it was written."""
    return {
        str(one.relative_to(root)): str(one.readlink()) if one.is_symlink() else str(one.stat().st_mtime_ns)
        for one in root.rglob("*")
        if not one.is_dir() or one.is_symlink()
    }

"""A bundle with a CPython of its own installs on a host that has none at all, down to glibc 2.17."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packages.conftest import ROOT, unpack

IMPORTS = "import _ctypes, bz2, decimal, hashlib, lzma, sqlite3, ssl, venv, zlib, cryptography, iptc, msgspec, pyroute2"

GLIBCS_OWN = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"}


def bundle(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "scripts/bundle", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_a_python_that_wants_a_newer_glibc_is_refused(tmp_path: Path) -> None:
    library = b"\x7fELF...\0GLIBC_2.2.5\0GLIBC_2.34\0"
    path = archive(tmp_path / "p.tar.gz", {"python/bin/python3.11": b"\x7fELF", "python/lib/libssl.so.3": library})
    done = bundle("--with-python", path, "--output", tmp_path)
    assert done.returncode != 0
    assert "python/lib/libssl.so.3 needs glibc 2.34" in done.stderr


def test_an_archive_without_a_python_is_refused(tmp_path: Path) -> None:
    done = bundle("--with-python", archive(tmp_path / "p.tar.gz", {"README": b""}), "--output", tmp_path)
    assert done.returncode != 0
    assert "has no bin/python3.X" in done.stderr


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked bundle with the Python that is built here: minutes at first."""
    folder = tmp_path_factory.mktemp("portable")
    done = bundle("--with-python", "--output", folder)
    assert done.returncode == 0, done.stderr
    unpack(Path(done.stdout.strip()), folder)
    return Path(done.stdout.strip().removesuffix(".tar.gz"))


@pytest.fixture
def bare(portable: Path, tmp_path: Path) -> Iterator[Callable[[str], subprocess.CompletedProcess[str]]]:
    """Runs a line of shell on a Debian from which every Python was taken away; the bundle is in /bundle. No network."""
    made = subprocess.run([ROOT / "scripts/test-hosts"], capture_output=True, text=True, timeout=1200, check=False)
    assert made.returncode == 0, made.stderr
    for name in ("upper", "work", "root"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={made.stdout.strip()},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    root = tmp_path / "root"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "steersman-bare", root], check=True)
    try:
        subprocess.run(
            f"rm -rf {root}/usr/bin/*python* {root}/usr/lib/python3* {root}/usr/lib/*/libpython*", shell=True
        )
        shutil.copytree(portable, root / "bundle")

        def run(line: str) -> subprocess.CompletedProcess[str]:
            inside = f"mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc && exec chroot {root} sh -ec"
            command = ["unshare", "--net", "--mount", "sh", "-ec", f'{inside} "$1"', "sh", line]
            return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

        yield run
    finally:
        subprocess.run(["umount", "-l", root], check=True)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_it_installs_where_there_is_no_python(bare: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    assert bare("command -v python3 || command -v python3.11 || command -v python").returncode != 0
    done = bare("/bundle/install")
    assert done.returncode == 0, done.stdout + done.stderr
    current = "/opt/steersman/current"
    assert bare(f"readlink -f {current}/bin/python").stdout.strip().endswith("/python/bin/python3.11")
    assert bare(f"{current}/bin/python -c '{IMPORTS}'").stderr == ""
    assert "usage: steersman" in bare("steersman --help").stdout
    assert bare("steersman agent --config /etc/steersman/agent.yaml --check-config").returncode == 0
    assert "is there" in bare("/bundle/install").stdout
    assert bare("/opt/steersman/install --remove && ! test -e /opt/steersman").returncode == 0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_program_and_library_of_it_runs_with_glibc_2_17(portable: Path, tmp_path: Path) -> None:
    """As the loader will ask for it: by the table of versions, not by what the bundle's own check looks for."""
    assert portable.name.endswith("+python3.11")
    unpack(portable / "python.tar.gz", tmp_path)
    found = [one for one in tmp_path.rglob("*") if one.is_file() and one.read_bytes()[:4] == b"\x7fELF"]
    assert any(one.name == "python3.11" for one in found)
    for one in found:
        told = subprocess.run(["objdump", "-p", one], capture_output=True, text=True, check=True).stdout
        wanted = {tuple(map(int, version.split("."))) for version in re.findall(r"GLIBC_(\d+\.\d+)", told)}
        assert max(wanted) <= (2, 17), one
        needed = set(re.findall(r"NEEDED +(\S+)", told))
        assert needed <= GLIBCS_OWN, one

"""A file that is replaced is the old one or the new one, whatever the disk says."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.files import write_atomically


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """64 KiB."""
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "steersman-test", str(point)], check=True)
    yield point
    subprocess.run(["umount", str(point)], check=True)


def test_the_mode_is_as_told_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "open", b"x", mode=0o644)
    finally:
        os.umask(before)
    write_atomically(tmp_path / "secret", b"x", mode=0o600)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("open", "secret")] == [0o644, 0o600]


def test_a_full_disk_is_told_with_the_file_and_leaves_the_old_content(small_disk: Path) -> None:
    file = small_disk / "state"
    write_atomically(file, b"old")
    for durable in (True, False):
        with pytest.raises(OSError, match=f"No space left on device: '{file}'") as failed:
            write_atomically(file, bytes(100_000), durable=durable)
        assert failed.value.errno == errno.ENOSPC
        assert file.read_bytes() == b"old"
        assert list(small_disk.iterdir()) == [file]


def test_a_folder_that_is_missing_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing/file"):
        write_atomically(tmp_path / "missing/file", b"")

"""The markers of directories, and removal that stops at what is not ours."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.directories import claim, mounts_below, read_claim, remove_tree
from cli.errors import CommandError


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system mounted inside a directory of ours, with a file on it."""
    point = tmp_path / "ours" / "pods" / "a b"
    claim(tmp_path / "ours", "one", mode=0o755)
    point.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "steersman-test", str(point)], check=True)
    (point / "precious").touch()
    yield point
    subprocess.run(["umount", str(point)], check=False, capture_output=True)


def test_a_new_directory_is_ours_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    claim(path, "one", mode=0o700)
    assert path.stat().st_mode & 0o777 == 0o700
    (path / "pki").mkdir()
    (path / "pki" / "key").touch()
    (path / "link").symlink_to("/etc")
    found = read_claim(path)
    assert found is not None
    assert remove_tree(path, found) == [str(path), str(tmp_path / "a" / "b"), str(tmp_path / "a")]
    assert list(tmp_path.iterdir()) == []
    assert Path("/etc/passwd").exists()


def test_a_directory_of_others_is_used_but_never_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    claim(tmp_path, "one", mode=0o755)
    assert read_claim(tmp_path) is None


def test_a_directory_of_another_cluster_is_refused(tmp_path: Path) -> None:
    claim(tmp_path / "x", "one", mode=0o755)
    claim(tmp_path / "x", "one", mode=0o755)
    with pytest.raises(CommandError, match="belongs to cluster 'one', not to 'two'"):
        claim(tmp_path / "x", "two", mode=0o755)


def test_a_parent_that_others_use_stays(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    claim(path, "one", mode=0o755)
    (tmp_path / "a" / "other").touch()
    found = read_claim(path)
    assert found is not None
    assert remove_tree(path, found) == [str(path)]
    assert (tmp_path / "a" / "other").exists()


@pytest.mark.netns
def test_a_mount_is_found_and_never_crossed(tmp_path: Path, mounted: Path) -> None:
    assert mounts_below(tmp_path / "ours") == [mounted]
    found = read_claim(tmp_path / "ours")
    assert found is not None
    with pytest.raises(CommandError, match="has mounted file systems in it"):
        remove_tree(tmp_path / "ours", found)
    assert (mounted / "precious").exists()

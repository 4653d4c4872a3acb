"""Writes the files of a volume so that a container sees the old ones or the new ones, never a mixture.

The layout is the kubelet's: the files in a folder of their own, ``..data`` a link to that folder, and for each top name
a link through ``..data``. A change makes a new folder and moves the one link. A writer that is cut off leaves at most a
folder that the next one removes.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from agent.volumes.files import Files

_DATA = "..data"
_NEXT = "..data_tmp"
_FOLDER = "..payload-"


def write_payload(path: Path, files: Files, *, group: int | None) -> bool:
    """Whether anything has changed. ``group``: owns the files and may read them, when there is one. Raises OSError."""
    if _is_same(path, files, group):
        return False
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=path))
    folder.chmod(0o755)
    for name, file in files.items():
        _write(folder / name, file.content, file.mode, group)
    _swap(path, folder.name)
    _link_names(path, {name.split("/")[0] for name in files})
    for old in path.glob(f"{_FOLDER}*"):
        if old.name != folder.name:
            shutil.rmtree(old)
    return True


def is_written(path: Path) -> bool:
    """Whether the volume holds a whole set of files."""
    return (path / _DATA).is_dir()


def _write(target: Path, content: bytes, mode: int, group: int | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(_mode(mode, group))
    if group is not None:
        os.chown(target, -1, group)


def _mode(mode: int, group: int | None) -> int:
    return mode if group is None else mode | stat.S_IRGRP


def _swap(path: Path, folder: str) -> None:
    following = path / _NEXT
    following.unlink(missing_ok=True)
    following.symlink_to(folder)
    following.rename(path / _DATA)


def _link_names(path: Path, names: set[str]) -> None:
    for name in names:
        if not (path / name).is_symlink():
            (path / name).symlink_to(f"{_DATA}/{name}")
    for entry in path.iterdir():
        if not entry.name.startswith("..") and entry.is_symlink() and entry.name not in names:
            entry.unlink()


def _is_same(path: Path, files: Files, group: int | None) -> bool:
    """Whether the volume holds just these files already, links included."""
    data = path / _DATA
    if not data.is_dir():
        return False
    held = {str(file.relative_to(data)): file for file in data.rglob("*") if not file.is_dir()}
    if held.keys() != files.keys() or any(not (path / name.split("/")[0]).is_symlink() for name in files):
        return False
    for name, file in files.items():
        status = held[name].stat()
        if stat.S_IMODE(status.st_mode) != _mode(file.mode, group) or held[name].read_bytes() != file.content:
            return False
    return True

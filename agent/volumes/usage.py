"""How much the files of a directory take on the disk, counted here: no process is started for it.

What is counted belongs to a pod and may be hostile: links are not followed, a file with several names counts once,
other file systems mounted below are left out, and no depth overruns a stack.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Used:
    """Bytes on the disk, and the files and directories that hold them."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(self.bytes + other.bytes, self.inodes + other.inodes)


def tree_usage(directory: Path) -> Used:
    """Nothing for a directory that is not there. What vanishes or is too deep to be named is left out."""
    try:
        top = directory.stat()
    except OSError:
        return Used()
    total_bytes, inodes = top.st_blocks * 512, 1
    seen: set[int] = set()
    left = [str(directory)]
    while left:
        for status, path in _entries(left.pop()):
            if status.st_dev != top.st_dev or status.st_ino in seen:
                continue
            if path:
                left.append(path)
            elif status.st_nlink > 1:
                seen.add(status.st_ino)
            total_bytes += status.st_blocks * 512
            inodes += 1
    return Used(total_bytes, inodes)


def _entries(directory: str) -> list[tuple[os.stat_result, str]]:
    """Of one directory: what is known of each entry, and its path when it is a directory itself."""
    found = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                    found.append((status, entry.path if entry.is_dir(follow_symlinks=False) else ""))
                except OSError:
                    continue  # removed meanwhile
    except OSError:
        return found
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A file system: bytes and inodes in all, those that are free, and those that are free for us."""

    capacity_bytes: int
    free_bytes: int
    available_bytes: int
    inodes: int
    inodes_free: int

    @property
    def used(self) -> Used:
        return Used(self.capacity_bytes - self.free_bytes, self.inodes - self.inodes_free)


def room_of(path: Path | str) -> Room | None:
    """Of the file system that a path is on; None when it cannot be told."""
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return Room(
        capacity_bytes=status.f_blocks * status.f_frsize, free_bytes=status.f_bfree * status.f_frsize,
        available_bytes=status.f_bavail * status.f_frsize,
        inodes=status.f_files, inodes_free=status.f_ffree,
    )  # fmt: skip

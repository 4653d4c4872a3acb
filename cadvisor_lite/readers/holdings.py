"""What a container holds: bytes on the disk, open files, sockets, tasks by state.

These have no counter in the kernel and must be counted one by one. So each count is a generator that yields now and
then, and its caller decides when it goes on: a container with a million files takes longer to be told, and never costs
more. Links are not followed, a file with several names counts once, and what is mounted below is left out.
"""

import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from cadvisor_lite.readers.files import read_optional

T = TypeVar("T")
# Yields the number of entries looked at since the last time; returns what was counted.
Count = Generator[int, None, T]
_STATES = {"R": "running", "S": "sleeping", "I": "sleeping", "D": "uninterruptible", "T": "stopped", "t": "stopped"}


@dataclass(frozen=True, slots=True)
class DiskUse:
    """`layer_bytes` is what the container wrote into its own root, `log_bytes` what Docker keeps of its output.

    `device` by its numbers; `limit_bytes`: the size of the file system that it writes to.
    """

    device: str
    limit_bytes: int
    layer_bytes: int
    log_bytes: int
    inodes: int

    @property
    def total_bytes(self) -> int:
        return self.layer_bytes + self.log_bytes


@dataclass(frozen=True, slots=True)
class Holdings:
    """None: not to be had here. `tasks` maps cAdvisor's names of states to numbers of threads."""

    file_descriptors: int | None = None
    sockets: int | None = None
    tasks: dict[str, int] | None = None
    disk: DiskUse | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look. `layer`: the directory that a container writes to ("" where the driver has none)."""

    proc: str
    procs_file: str
    layer: str = ""
    log_path: str = ""


def count_holdings(places: Places, *, tasks: bool) -> Count[Holdings]:
    pids = (read_optional(places.procs_file) or b"").decode().split()
    files = yield from _open_files(places.proc, pids)
    states = (yield from _task_states(places.proc, pids)) if tasks else None
    disk = (yield from _disk_use(places)) if places.layer else None
    return Holdings(files and files[0], files and files[1], states, disk)


def _open_files(proc: str, pids: Iterable[str]) -> Count[tuple[int, int] | None]:
    """(open files, sockets among them); None where we may not look."""
    files = sockets = 0
    for pid in pids:
        before = files
        try:
            with os.scandir(f"{proc}/{pid}/fd") as entries:
                for entry in entries:
                    files += 1
                    sockets += _target(entry.path).startswith("socket:")
        except PermissionError:
            return None
        except OSError:  # the process ended
            continue
        yield 1 + files - before
    return files, sockets


def _target(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:  # closed meanwhile
        return ""


def _task_states(proc: str, pids: Iterable[str]) -> Count[dict[str, int]]:
    found = Counter(dict.fromkeys(_STATES.values(), 0))
    for pid in pids:
        try:
            threads = os.listdir(f"{proc}/{pid}/task")  # noqa: PTH208
        except OSError:
            continue
        for thread in threads:
            stat = read_optional(f"{proc}/{pid}/task/{thread}/stat") or b""
            state = stat.rpartition(b") ")[2][:1].decode()
            if state in _STATES:
                found[_STATES[state]] += 1
            yield 1
    return dict(found)


def _disk_use(places: Places) -> Count[DiskUse | None]:
    """None when the layer cannot be seen from here (gone, or another mount namespace)."""
    try:
        top, room = os.stat(places.layer), os.statvfs(places.layer)  # noqa: PTH116
    except OSError:
        return None
    blocks, inodes, seen, left = top.st_blocks, 1, set[int](), [places.layer]
    while left:
        yield 1
        for status, directory in _entries(left.pop()):
            if status.st_dev != top.st_dev or status.st_ino in seen:
                continue
            if directory:
                left.append(directory)
            elif status.st_nlink > 1:
                seen.add(status.st_ino)
            blocks, inodes = blocks + status.st_blocks, inodes + 1
            yield 1
    return DiskUse(
        device=f"{os.major(top.st_dev)}:{os.minor(top.st_dev)}",
        limit_bytes=room.f_blocks * room.f_frsize,
        layer_bytes=blocks * 512,
        log_bytes=_log_bytes(places.log_path),
        inodes=inodes,
    )


def _entries(directory: str) -> Iterator[tuple[os.stat_result, str]]:
    """(status, path of a directory or "")."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                status = _status(entry)
                if status is not None:
                    yield status, entry.path if entry.is_dir(follow_symlinks=False) else ""
    except OSError:  # gone meanwhile
        return


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None


def _log_bytes(log_path: str) -> int:
    """Of the log and those that it was rotated to (`….log.1`)."""
    directory, _, name = log_path.rpartition("/")
    if not directory:
        return 0
    try:
        with os.scandir(directory) as entries:
            logs = [status for entry in entries if entry.name.startswith(name) and (status := _status(entry))]
    except OSError:
        return 0
    return sum(status.st_blocks * 512 for status in logs)

"""cgroups as directories under /sys/fs/cgroup, version 1 or 2: read, made, removed. The edge; no decisions.

Only what the kernel lets go is removed: a group with a process in it stays.
"""

import errno
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.cgroups.wanted import Allowance
from agent.pods.qos import CPU_PERIOD_US

SYS = Path("/sys/fs/cgroup")
_PAGE = 4096
_V1_UNLIMITED = 2**62  # what version 1 shows for no limit is a page less than 2**63
_V2_CONTROLLERS = ("cpu", "memory", "pids", "io", "cpuset")
_GONE = (errno.ENOENT, errno.ENODEV)


class Tree:
    """``root``: where cgroups are mounted. A path is given by the names of its directories."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or SYS
        self.version = 2 if (self._root / "cgroup.controllers").exists() else 1

    def holds(self, path: Sequence[str], allowance: Allowance) -> bool:
        """Whether the group is there with just these limits. Raises OSError."""
        files = self._files(path, allowance)
        return all(_reads(file, text) for file, text in files.items())

    def apply(self, path: Sequence[str], allowance: Allowance) -> None:
        """Makes the group where it is missing, and writes what differs. Raises OSError."""
        self.make(path)
        for file, text in self._files(path, allowance).items():
            if not _reads(file, text):
                file.write_text(text)

    def make(self, path: Sequence[str]) -> None:
        for place in self._hierarchies_with_limits():
            for depth in range(1, len(path) + 1):
                if self.version == 2:
                    _let_children_have_controllers(place.joinpath(*path[: depth - 1]))
                place.joinpath(*path[:depth]).mkdir(mode=0o755, exist_ok=True)

    def is_there(self, path: Sequence[str]) -> bool:
        return any(place.joinpath(*path).is_dir() for place in self._hierarchies())

    def children(self, path: Sequence[str]) -> set[str]:
        """Names of the groups right under one, in any hierarchy."""
        return {child.name for place in self._hierarchies() for child in _folders(place.joinpath(*path))}

    def remove(self, path: Sequence[str]) -> bool:
        """Whether the group is gone, those below it first. Nothing that holds a process goes."""
        left = [place for place in self._hierarchies() if not _remove_empty(place.joinpath(*path))]
        return not left

    def _files(self, path: Sequence[str], allowance: Allowance) -> Mapping[Path, str]:
        memory, quota = allowance.memory_bytes, allowance.cpu_quota_us
        if self.version == 2:
            group = self._root.joinpath(*path)
            return {
                group / "cpu.weight": str(weight_of(allowance.cpu_shares)),
                group / "cpu.max": f"{quota or 'max'} {CPU_PERIOD_US}",
                group / "memory.max": str(memory // _PAGE * _PAGE or "max"),
            }
        cpu, store = (self._hierarchy(name).joinpath(*path) for name in ("cpu", "memory"))
        return {
            cpu / "cpu.shares": str(allowance.cpu_shares),
            cpu / "cpu.cfs_period_us": str(CPU_PERIOD_US),
            cpu / "cpu.cfs_quota_us": str(quota or -1),
            store / "memory.limit_in_bytes": str(memory // _PAGE * _PAGE or -1),
        }

    def _hierarchies_with_limits(self) -> list[Path]:
        return [self._root] if self.version == 2 else [self._hierarchy(name) for name in ("cpu", "memory")]

    def _hierarchies(self) -> list[Path]:
        """Version 1 has one for each controller, and links for those that are mounted together."""
        if self.version == 2:
            return [self._root]
        return sorted({folder.resolve() for folder in _folders(self._root)})

    def _hierarchy(self, controller: str) -> Path:
        for folder in _folders(self._root):
            if controller in folder.name.split(","):
                return folder
        raise FileNotFoundError(errno.ENOENT, f"no cgroup controller {controller}", str(self._root))


def weight_of(shares: int) -> int:
    """Version 2's weight of 1-10000 for version 1's shares of 2-262144, as runc does it."""
    return 1 + ((shares - 2) * 9999) // 262142


def _folders(path: Path) -> Iterator[Path]:
    try:
        yield from (entry for entry in path.iterdir() if entry.is_dir())
    except OSError as error:
        if error.errno not in _GONE:
            raise


def _reads(file: Path, text: str) -> bool:
    """Whether the file says that already."""
    try:
        found = file.read_text().strip()
    except FileNotFoundError:
        return False
    return found == text or (text == "-1" and found.isdigit() and int(found) > _V1_UNLIMITED)


def _let_children_have_controllers(group: Path) -> None:
    control = group / "cgroup.subtree_control"
    there, given = (set(file.read_text().split()) for file in (group / "cgroup.controllers", control))
    for name in _V2_CONTROLLERS:
        if name in there - given:
            control.write_text(f"+{name}")


def _remove_empty(group: Path) -> bool:
    for child in list(_folders(group)):
        if not _remove_empty(child):
            return False
    try:
        group.rmdir()
    except OSError as error:
        return error.errno in _GONE
    return True

"""Where a process's cgroup lies on this host: v1 (one hierarchy a controller) or v2 (one for all).

The path comes from /proc/PID/cgroup and nowhere else; a path made up from a container's id is wrong as soon as the
daemon uses the systemd driver, a parent cgroup or a slice.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cadvisor_lite.readers.files import read_optional
from cadvisor_lite.readers.parsing import parse_proc_cgroup

V1_CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio", "pids")


class CgroupGoneError(Exception):
    """The cgroup or its process does not exist (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Where the kernel's trees are mounted."""

    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")
    sys: Path = Path("/sys")
    etc: Path = Path("/etc")


@dataclass(frozen=True, slots=True)
class Cgroup:
    """`name` is the path inside the hierarchy ("/" or "/docker/3f…"), cAdvisor's id of a container.

    `directories`: controller -> absolute directory; with v2 the one entry "" serves all.
    """

    name: str
    version: int
    directories: Mapping[str, str]

    @property
    def is_root(self) -> bool:
        return self.name == "/"

    def exists(self) -> bool:
        return any(os.path.isdir(directory) for directory in self.directories.values())  # noqa: PTH112


def cgroup_version(roots: Roots) -> int:
    """2 where the root is a unified hierarchy, else 1 (also for the hybrid layout: its controllers are v1's)."""
    return 2 if (roots.cgroup / "cgroup.controllers").exists() else 1


def root_cgroup(roots: Roots | None = None) -> Cgroup:
    roots = roots or Roots()
    return _cgroup({"": "/"} if cgroup_version(roots) == 2 else dict.fromkeys(V1_CONTROLLERS, "/"), roots)


def find_cgroup(pid: int, *, roots: Roots | None = None) -> Cgroup:
    """The cgroup of a process. Raises CgroupGoneError when there is no such process."""
    roots = roots or Roots()
    text = read_optional(f"{roots.proc}/{pid}/cgroup")
    if text is None:
        raise CgroupGoneError(f"process {pid}: no such process under {roots.proc}")
    return _cgroup(parse_proc_cgroup(text.decode(errors="surrogateescape")), roots)


def _cgroup(paths: Mapping[str, str], roots: Roots) -> Cgroup:
    if cgroup_version(roots) == 2:
        name = paths.get("", "/")
        return Cgroup(name, 2, {"": _join(roots.cgroup, name)})
    mine = {controller: paths[controller] for controller in V1_CONTROLLERS if controller in paths}
    name = mine.get("memory") or mine.get("cpu") or paths.get("", "/")
    return Cgroup(name, 1, {c: _join(_hierarchy(c, roots), path) for c, path in mine.items()})


def _hierarchy(controller: str, roots: Roots) -> Path:
    """The controller's mount. Most hosts link `cpu` to `cpu,cpuacct`; some minimal ones do not."""
    for name in (controller, "cpu,cpuacct", "cpuacct,cpu"):
        if controller in name and (roots.cgroup / name).is_dir():
            return roots.cgroup / name
    return roots.cgroup / controller


def _join(directory: Path, path: str) -> str:
    return f"{directory}{path}".rstrip("/")

"""What a run left that was ended before it could clear up: hosts that go on, their mounts, cgroups and networks.

Only what bears our names and the id of a process that is no more is touched. A run that ends by itself leaves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.machines import Machine, Segment

SEGMENT = re.compile(r"st[a-z](\d+)")
MOUNT = re.compile(r"steersman-(st[a-z]\d+)-(\S+)")


def clear() -> list[str]:
    """The names of the segments that were removed, with all of their hosts."""
    found = {
        name for name in (*_networks(), *(segment for segment, _, _ in _mounts()), *_cgroups()) if _abandoned(name)
    }
    for name in sorted(found):
        segment = Segment(name, "")
        for machine in _machines(segment):
            machine.remove()
        segment.remove()
    return sorted(found)


def _abandoned(segment: str) -> bool:
    match = SEGMENT.fullmatch(segment)
    if match is None:
        return False
    try:
        return b"pytest" not in Path("/proc", match[1], "cmdline").read_bytes()
    except FileNotFoundError:
        return True


def _machines(segment: Segment) -> Iterator[Machine]:
    folders = {name: Path(root).parent for owner, name, root in _mounts() if owner == segment.name}
    for name in folders.keys() | _cgroups().get(segment.name, set()):
        # Without a mount there is no folder of which we would know.
        folder = folders.get(name, Path("/nonexistent"))
        yield Machine(name, 0, segment, folder, folder, folder)


def _networks() -> list[str]:
    place = Path("/run/netns")
    return [one.name for one in place.iterdir()] if place.is_dir() else []


def _mounts() -> list[tuple[str, str, str]]:
    """Segment, host and root of each overlay that is mounted."""
    rows = [line.split()[:2] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [(match[1], match[2], root) for source, root in rows if (match := MOUNT.fullmatch(source))]


def _cgroups() -> dict[str, set[str]]:
    """Segment to the hosts that have cgroups."""
    found: dict[str, set[str]] = {}
    for folder in Path("/sys/fs/cgroup").glob("*/steersman-st*"):
        if match := MOUNT.fullmatch(folder.name):
            found.setdefault(match[1], set()).add(match[2])
    return found

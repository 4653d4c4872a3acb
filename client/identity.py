"""Who a process is among all that may hold a lease, and whether one of this host has died.

The name tells host, boot, process namespace, process and its start: whoever sees the same host, boot and namespace can
look whether that very process is still there, and need not wait for its lease to run out. Of others it says nothing.
"""

import itertools
import os
import socket
from pathlib import Path

_PROC = Path("/proc")
_serials = itertools.count(1)


def own_identity() -> str:
    """HOST_PLACE-PID-START-N; another one at each call."""
    pid = os.getpid()
    return f"{socket.gethostname()}_{_place()}-{pid}-{_started(pid)}-{next(_serials)}"


def has_died(identity: str) -> bool:
    """Whether the process of that name was of this host, boot and namespace, and is no more."""
    host, _, rest = identity.rpartition("_")
    place, *numbers = rest.split("-")
    if (host, place) != (socket.gethostname(), _place()) or len(numbers) != 3 or not numbers[0].isdigit():
        return False
    return _started(int(numbers[0])) != numbers[1]


def _place() -> str:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    return f"{boot[:12]}{(_PROC / 'self/ns/pid').stat().st_ino:x}"


def _started(pid: int) -> str:
    """In ticks since the boot; empty when there is no such process, or only what its parent has not fetched yet."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]

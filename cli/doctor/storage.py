"""Room on the disks."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

# The agent removes unused images at 85 % in use, and evicts pods when less than 10 % are free (its settings).
WARN_FREE_PERCENT = 20.0
FAIL_FREE_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of ours: what lies there, and what of its bytes and inodes is free."""

    path: str
    uses: tuple[str, ...]
    free_percent: float
    free_inodes_percent: float


def judge(_settings: Settings, found: Sequence[Disk]) -> Sequence[Finding]:
    """A full disk stops the store and evicts pods."""
    findings = [finding for disk in found for finding in _judge(disk)]
    return findings or ok(", ".join(f"{disk.path} {disk.free_percent:.0f} % free" for disk in found))


def _judge(disk: Disk) -> list[Finding]:
    findings = []
    for free, what in ((disk.free_percent, "free"), (disk.free_inodes_percent, "of its inodes free")):
        if free >= WARN_FREE_PERCENT:
            continue
        level, effect = (fail, "pods are evicted") if free < FAIL_FREE_PERCENT else (warn, "soon pods are evicted")
        message = f"{disk.path} ({', '.join(disk.uses)}) has {free:.0f} % {what}: {effect}"
        findings.append(level(message, "docker system prune; make room, or enlarge it: df -h, df -i"))
    return findings

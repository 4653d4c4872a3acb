"""The kernel's cgroups: limits and figures of pods come from them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

NEEDED = ("cpu", "memory")
WANTED = ("cpuset", "pids")


@dataclass(frozen=True, slots=True)
class Cgroups:
    """`version` is 0 where none are mounted; `controllers` are those that can be used."""

    version: int
    controllers: frozenset[str] = frozenset()
    read_only: bool = False


def judge(_settings: Settings, found: Cgroups) -> Sequence[Finding]:
    """Without memory and CPU no limit of a pod holds."""
    if not found.version:
        return [
            fail("none are mounted: Docker starts no container", "let systemd mount them, or install cgroupfs-mount")
        ]
    findings = []
    if found.read_only:
        findings.append(
            fail(
                "mounted read-only: the agent can make none for pods",
                "mount -o remount,rw each of /sys/fs/cgroup/*; in a container run it privileged",
            )
        )
    for name in (*NEEDED, *WANTED):
        if name not in found.controllers:
            level = fail if name in NEEDED else warn
            findings.append(level(f"v{found.version} has no {name}: its limits do not hold", _enable(name, found)))
    return findings or ok(f"v{found.version} with {', '.join((*NEEDED, *WANTED))}")


def _enable(name: str, found: Cgroups) -> str:
    if found.version == 2:
        return f"echo +{name} > /sys/fs/cgroup/cgroup.subtree_control; systemd does so by itself"
    return f"boot with cgroup_enable={name} on the kernel's command line, then mount it at /sys/fs/cgroup/{name}"

"""The Docker daemon."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Settings
from cli.doctor.finding import Finding, fail, ok, warn

OLDEST_API = (1, 25)  # Docker 1.13
COPYING_DRIVERS = ("vfs",)


@dataclass(frozen=True, slots=True)
class Daemon:
    """What the daemon says of itself; `error` when it says nothing."""

    version: str = ""
    api: tuple[int, int] = (0, 0)
    storage: str = ""
    warnings: tuple[str, ...] = ()
    error: str = ""
    socket: str = ""  # the path, when docker-host is one and there is nothing
    installed: bool = True


def judge(settings: Settings, found: Daemon) -> Sequence[Finding]:
    """No pod runs without a daemon."""
    if found.error:
        return [_silent(settings, found)]
    if found.api < OLDEST_API:
        message = f"Docker {found.version} is too old: its API is {found.api[0]}.{found.api[1]}"
        return [fail(message, "install Docker 1.13 or newer")]
    findings = []
    if found.storage in COPYING_DRIVERS:
        advice = "use overlay2: --storage-driver of dockerd, or a data-root on another file system"
        findings.append(warn(f"storage driver {found.storage} copies an image for each container", advice))
    findings += [
        warn(f"says: {warning.removeprefix('WARNING: ')}", "docker info; limits of pods may not hold")
        for warning in found.warnings
        if "limit" in warning or "bridge-nf" not in warning
    ]
    return findings or ok(f"{found.version}, storage driver {found.storage}")


def _silent(settings: Settings, found: Daemon) -> Finding:
    if not found.installed:
        return fail("Docker is not installed", "scripts/setup-host, or: apt-get install docker.io")
    if found.socket:
        message = f"the daemon does not run: there is no {found.socket}"
        return fail(message, "scripts/setup-host, or: systemctl start docker")
    advice = "systemctl status docker, or the log of dockerd; docker-host says where it listens"
    return fail(f"the daemon at {settings.docker_host} does not answer: {found.error}", advice)

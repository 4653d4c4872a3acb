"""mount(8) and umount(8), with limits. Called in the threads of pods only: a server that is gone holds up its pod."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from agent.volumes.removing import mount_points
from api.core.volume import NFSVolumeSource

_LOCAL_TIMEOUT_S = 10
_NFS_TIMEOUT_S = 60


class MountError(Exception):
    """mount(8) said no, or nothing in time; the message is its own."""


def mount_tmpfs(path: Path, *, size_bytes: int) -> None:
    """Nothing if it is mounted already. ``size_bytes`` 0: the kernel's own limit."""
    options = "nosuid,nodev" + (f",size={size_bytes}" if size_bytes else "")
    _mount_once(path, ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], timeout_s=_LOCAL_TIMEOUT_S)


def mount_nfs(path: Path, source: NFSVolumeSource, options: Sequence[str]) -> None:
    _mount_once(path, nfs_command(path, source, options), timeout_s=_NFS_TIMEOUT_S)


def nfs_command(path: Path, source: NFSVolumeSource, options: Sequence[str]) -> list[str]:
    """As the kubelet mounts it."""
    host = f"[{source.server}]" if ":" in source.server else source.server
    wanted = [*options, *(["ro"] if source.read_only and "ro" not in options else [])]
    flags = ["-o", ",".join(wanted)] if wanted else []
    return ["mount", "-t", "nfs", *flags, f"{host}:{source.path}", str(path)]


def _mount_once(path: Path, command: list[str], *, timeout_s: int) -> None:
    if str(path) in mount_points():
        return
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise MountError(f"mount: no answer within {timeout_s} s: {' '.join(command)}") from error
    if done.returncode:
        raise MountError(f"mount: {done.stderr.strip()}")

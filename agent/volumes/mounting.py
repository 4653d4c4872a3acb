"""mount(8) and umount(8), with limits. Called in the threads of pods only: a server that is gone holds up its pod."""

import os
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


def bind(opened: int, path: Path) -> None:
    """What a descriptor of this process stands for, and not what its name has become since."""
    source = f"/proc/{os.getpid()}/fd/{opened}"
    _run(["mount", "--no-canonicalize", "--bind", source, str(path)], timeout_s=_LOCAL_TIMEOUT_S)


def set_apart(path: Path, *, private: bool) -> None:
    """What is mounted or unmounted below has no effect on where it came from; nor the other way, when private."""
    _run(["mount", "--make-private" if private else "--make-slave", str(path)], timeout_s=_LOCAL_TIMEOUT_S)


def unmount(path: Path) -> None:
    _run(["umount", str(path)], timeout_s=_LOCAL_TIMEOUT_S)


def is_mounted(path: Path) -> bool:
    return str(path.resolve()) in mount_points()


def _mount_once(path: Path, command: list[str], *, timeout_s: int) -> None:
    if not is_mounted(path):
        _run(command, timeout_s=timeout_s)


def _run(command: list[str], *, timeout_s: int) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise MountError(f"{command[0]}: no answer within {timeout_s} s: {' '.join(command)}") from error
    if done.returncode:
        raise MountError(f"{command[0]}: {done.stderr.strip()}")

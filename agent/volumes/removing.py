"""Removes a pod's directory, and never anything that is mounted into it.

What we mounted ourselves (tmpfs, NFS, binds of subPaths) is unmounted first. If any mount is left under the directory,
nothing is removed: the data behind it is not ours.
"""

import logging
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

_UNMOUNT_TIMEOUT_S, _REMOVE_TIMEOUT_S = 10, 60
_OURS = ("tmpfs", "nfs", "nfs4")
SUB_PATHS = "volume-subpaths"


def mount_points(mountinfo: Path = Path("/proc/self/mountinfo")) -> dict[str, str]:
    """Mount point to file system type, as the kernel tells them."""
    found = {}
    for line in mountinfo.read_text().splitlines():
        before, _, after = line.partition(" - ")
        found[_unescaped(before.split()[4])] = after.split()[0]
    return found


def _unescaped(text: str) -> str:
    """mountinfo writes space, tab, newline and backslash in octal."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text


def _unmount(point: str, *, lazily: bool) -> bool:
    """Whether it is no more. An NFS mount whose server is gone is let go of: the kernel ends it when the server
    answers, or never."""
    for flags in ([], ["-l"]) if lazily else ([],):
        try:
            done = subprocess.run(
                ["umount", *flags, point], timeout=_UNMOUNT_TIMEOUT_S, check=False, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            log.warning("umount does not end mount=%s", point)
            continue
        if done.returncode == 0:
            return True
        log.warning("umount failed mount=%s error=%s", point, done.stderr.strip())
    return False


def _remove_deep(directory: Path) -> bool:
    command = ["rm", "-rf", "--one-file-system", "--", str(directory)]
    try:
        done = subprocess.run(command, timeout=_REMOVE_TIMEOUT_S, check=False, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        log.warning("deep pod directory is not removed in time directory=%s", directory)
        return False
    if done.returncode:
        log.warning("pod directory not removed directory=%s error=%.200s", directory, done.stderr.strip())
    return done.returncode == 0


Unmounted = Callable[[str, float, bool], None]  # the directory of the volume's kind, seconds, whether it went well


def remove_tree(directory: Path, unmounted: Unmounted = lambda *_: None) -> bool:
    """Whether the directory is gone. False when something is mounted in it that is not ours, with a line in the log.

    ``unmounted`` hears of each mount of ours that was taken away, or not.
    """
    if not directory.exists():
        return True
    prefix = f"{directory.resolve()}/"
    for point, kind in sorted(mount_points().items(), reverse=True):
        if point.startswith(prefix) and (kind in _OURS or point.startswith(f"{prefix}{SUB_PATHS}/")):
            began = time.monotonic()
            well = _unmount(point, lazily=kind != "tmpfs")
            unmounted(Path(point).parent.name, time.monotonic() - began, well)
    left = [point for point in mount_points() if point.startswith(prefix)]
    if left:
        log.error("pod directory kept, still mounted directory=%s mount=%s", directory, left[0])
        return False
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return True
    except RecursionError:
        return _remove_deep(directory)  # a pod may nest its folders as deep as it likes
    except OSError as error:
        log.warning("pod directory not removed directory=%s error=%s", directory, error)
        return False
    return True

"""Files that are whole whatever happens: kill -9 at any line leaves the old content or the new one.

A write goes to a hidden file beside the target, is made durable, and then takes the target's name. The hidden name is
the same each time, so that a killed writer leaves at most one file, which the next write takes over; writers of one
directory therefore hold its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_AGAIN_S = 0.02


def write_atomically(path: Path, data: bytes, *, mode: int) -> None:
    """Replace `path` by `data`, durable on return. Raises OSError; then the old content stands."""
    temporary = path.with_name(f".{path.name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock_directory(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold the one lock of a directory; the kernel frees it when we die. Raises TimeoutError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _take(descriptor, path, timeout_s)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, timeout_s: float) -> None:
    give_up = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{path}: locked by another process for {timeout_s:g} s") from None
            time.sleep(_LOOK_AGAIN_S)
        else:
            return

"""The one lock of a directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_AGAIN_S = 0.02


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

"""Sleeping until a file may have changed (inotify(7)), instead of looking at it again and again.

Watched are the folders in which its name, and each link on the way from there, are found: a file is mostly replaced
by a rename, or by leading a link elsewhere. Not everything is told (another host's writes, a folder further up that
was replaced), so the wait ends now and then anyhow.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_S = 30.0
"""A wait ends after this without any notice."""
UNTOLD_LOOK_S = 0.5
"""The same where the kernel gives no notices, for want of instances or watches."""
MAX_LINKS = 16

# IN_ATTRIB, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF, IN_MODIFY
_EVENTS = 0x004 | 0x008 | 0x040 | 0x080 | 0x100 | 0x200 | 0x400 | 0x800 | 0x002
_libc = ctypes.CDLL(None, use_errno=True)


class Notices:
    """Notices about one file since the block was entered: enter, look at the file, then wait."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> Notices:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0 and not all(map(self._watch, folders(self._path))):
            os.close(self._fd)
            self._fd = -1
        if self._fd < 0:
            log.debug("no notices file=%s error=%s", self._path, os.strerror(ctypes.get_errno()))
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def wait(self, wake: int) -> None:
        """Until something happened in those folders, the descriptor `wake` can be read, or it is time to look."""
        poll = select.poll()  # select() takes no descriptor above 1023
        for descriptor in (self._fd, wake):
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        poll.poll(1000 * (LOOK_S if self._fd >= 0 else UNTOLD_LOOK_S))

    def _watch(self, folder: Path) -> bool:
        return bool(_libc.inotify_add_watch(self._fd, os.fsencode(folder), ctypes.c_uint32(_EVENTS)) >= 0)


def folders(path: Path) -> list[Path]:
    """The folders of a file's name and of what it leads to, link by link."""
    found = [path.parent]
    for _ in range(MAX_LINKS):
        with contextlib.suppress(OSError):
            path = path.parent / path.readlink()
            found.append(path.parent)
            continue
        break
    return found

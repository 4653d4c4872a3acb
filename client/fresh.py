"""Files that are replaced while a process runs, such as certificates that were renewed.

A change is looked for now and then, when somebody is about to use what was read. What cannot be used (a certificate
whose key is yet to be written) leaves everything as it was, and is tried again at the next look.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_S = 30.0


class Fresh:
    """Some files that are read together. Safe to share between threads."""

    def __init__(self, *paths: Path) -> None:
        self.failures = 0
        """How often what was found could not be used."""
        self._paths = paths
        self._seen = self._state()
        self._lock = threading.Lock()
        self._due = time.monotonic() + LOOK_S

    def follow(self, read: Callable[[], object]) -> None:
        """Calls ``read`` if the files have changed since it was last called with success; what it raises is logged."""
        if time.monotonic() < self._due or not self._lock.acquire(blocking=False):
            return
        try:
            self._due = time.monotonic() + LOOK_S
            state = self._state()
            if state != self._seen:
                read()
                self._seen = state
                log.info("read again files=%s", ",".join(map(str, self._paths)))
        except Exception as error:  # noqa: BLE001
            # The door to what others write: a file that is no good must not end what works with the former one.
            self.failures += 1
            log.warning("cannot be used, keeping what was read before files=%s error=%s", self._paths, error)
        finally:
            self._lock.release()

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_of(path) for path in self._paths)


def _of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size

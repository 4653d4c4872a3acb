"""A few threads over a queue of work, of which one that hangs is counted out and replaced.

The rule: whatever a job waits for (a container whose lock Docker holds, a mount whose server is gone), the others go
on. A job that takes longer than the crew's patience no longer counts as one of the crew's threads, so a spare thread
takes its place; when it comes back it ends itself. Their number is bounded; at the bound the rest has to wait.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 1.0
MOST_THREADS = 64


class Crew(Generic[T]):
    """``take`` waits for the next piece of work, and gives None when there will be no more; ``work`` does it."""

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        take: Callable[[], T | None],
        work: Callable[[T], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._name = name
        self._wanted = threads
        self._take = take
        self._work = work
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._threads: dict[int, threading.Thread] = {}
        self._busy: dict[int, float] = {}
        self._lent: set[int] = set()
        self._serial = 0
        self._closed = False
        self._watcher = threading.Thread(target=self._watch, name=f"agent-{name}-watch", daemon=True)

    def start(self) -> None:
        with self._changed:
            for _ in range(self._wanted):
                self._add()
        self._watcher.start()

    def join(self, timeout_s: float) -> None:
        """After ``take`` has begun to give None: waits within the limit. What hangs is left behind, with a line."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            threads = list(self._threads.values())
        deadline = time.monotonic() + timeout_s
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        if self._watcher.ident is not None:
            self._watcher.join(max(deadline - time.monotonic(), 0.1))
        left = [thread.name for thread in threads if thread.is_alive()]
        if left:
            log.warning("threads left behind in the midst of their work names=%s", ",".join(left))

    @property
    def hung(self) -> int:
        """How many jobs have outlasted the patience."""
        with self._changed:
            return len(self._lent)

    def _add(self) -> None:
        """One more thread. Called with the lock held."""
        self._serial += 1
        thread = threading.Thread(
            target=self._run, args=(self._serial,), name=f"agent-{self._name}-{self._serial}", daemon=True
        )
        self._threads[self._serial] = thread
        thread.start()

    def _run(self, number: int) -> None:
        while (item := self._take()) is not None:
            with self._changed:
                if not self._busy:
                    self._changed.notify_all()
                self._busy[number] = time.monotonic()
            try:
                self._work(item)
            except Exception:
                log.exception("work failed crew=%s item=%s", self._name, item)
            with self._changed:
                del self._busy[number]
                if number in self._lent:
                    self._lent.discard(number)
                    del self._threads[number]
                    return
        with self._changed:
            self._threads.pop(number, None)

    def _watch(self) -> None:
        """Sleeps while nobody works."""
        with self._changed:
            while not self._closed:
                counted = [began for number, began in self._busy.items() if number not in self._lent]
                if not counted:
                    self._changed.wait(None if not self._busy else self._patience_s)
                    continue
                left_s = min(counted) + self._patience_s - time.monotonic()
                if left_s > 0:
                    self._changed.wait(left_s)
                elif len(self._threads) >= MOST_THREADS:
                    self._changed.wait(self._patience_s)
                else:
                    self._replace()

    def _replace(self) -> None:
        """Counts out the thread that is at its job longest. Called with the lock held."""
        number = min((n for n in self._busy if n not in self._lent), key=lambda n: self._busy[n])
        self._lent.add(number)
        log.info("work takes long, a spare thread takes over crew=%s hung=%d", self._name, len(self._lent))
        self._add()

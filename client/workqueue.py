"""A queue of keys: each is handled by one worker at a time, is queued once however often it was added, and can wait.

The rule it keeps is that of client-go's work queue: a key added while it is being handled is handled once more
afterwards, so no change is missed; a key that fails comes back after a delay that doubles.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class QueueObserver:
    """Hears what happens in a queue, under the queue's lock; this one does nothing about it."""

    def added(self, depth: int) -> None:
        """A key is ready; ``depth`` of them wait."""

    def taken(self, key: object, waited_s: float, depth: int) -> None:
        """A worker has it."""

    def finished(self, key: object) -> None:
        """The worker is through with it."""

    def retried(self) -> None:
        """It failed."""


class WorkQueue(Generic[K]):
    """``base_s`` and ``cap_s`` bound the delay of ``retry``: base_s, doubled at each failure, at most cap_s.

    ``hire`` is called, under the lock, when more keys are ready than workers wait for one.
    """

    def __init__(
        self,
        *,
        base_s: float = 0.05,
        cap_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        observer: QueueObserver | None = None,
        hire: Callable[[], None] = lambda: None,
    ) -> None:
        self._observer = observer or QueueObserver()
        self._hire = hire
        self._idle = 0
        self._added: dict[K, float] = {}
        self._base_s = base_s
        self._cap_s = cap_s
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: deque[K] = deque()
        self._queued: set[K] = set()
        self._busy: set[K] = set()
        self._again: set[K] = set()
        self._waiting: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._serial = 0
        self._closed = False

    def add(self, key: K) -> None:
        """Queue a key now, unless it is queued already."""
        with self._changed:
            self._add(key)

    def _add(self, key: K) -> None:
        if self._closed:
            return
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.append(key)
            self._added[key] = self._clock()
            self._observer.added(len(self._ready))
            self._call(self._idle)

    def _call(self, idle: int) -> None:
        """A worker is to come for what is ready; ``idle`` of them may."""
        if len(self._ready) > idle:
            self._hire()
        self._changed.notify()

    def add_after(self, key: K, seconds: float) -> None:
        """Queue a key later. Of several delays for one key the earliest counts."""
        with self._changed:
            if seconds <= 0:
                self._add(key)
                return
            when = self._clock() + seconds
            if self._closed or self._due.get(key, float("inf")) <= when:
                return
            self._due[key] = when
            self._serial += 1
            heapq.heappush(self._waiting, (when, self._serial, key))
            self._changed.notify()

    def retry(self, key: K) -> float:
        """Queue a key that failed once more after its back-off; returns the delay in seconds."""
        with self._changed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            self._observer.retried()
        delay_s: float = min(self._base_s * 2.0 ** min(failures, 30), self._cap_s)
        self.add_after(key, delay_s)
        return delay_s

    def forget(self, key: K) -> None:
        """The key went well: its back-off begins anew."""
        with self._changed:
            self._failures.pop(key, None)

    def get(self, timeout_s: float | None = None) -> K | None:
        """The next key, which is then busy until ``done``. None when closed or when the time is up."""
        deadline = None if timeout_s is None else self._clock() + timeout_s
        with self._changed:
            self._idle += 1
            try:
                return self._next(deadline)
            finally:
                self._idle -= 1

    def _next(self, deadline: float | None) -> K | None:
        while True:
            wait_s = self._release_due()
            if self._ready:
                return self._take()
            if self._closed:
                return None
            if deadline is not None:
                left_s = deadline - self._clock()
                if left_s <= 0:
                    return None
                wait_s = left_s if wait_s is None else min(wait_s, left_s)
            self._changed.wait(wait_s)

    def _take(self) -> K:
        key = self._ready.popleft()
        self._queued.discard(key)
        self._busy.add(key)
        self._observer.taken(key, self._clock() - self._added.pop(key), len(self._ready))
        if self._ready:
            self._call(self._idle - 1)
        return key

    def _release_due(self) -> float | None:
        """Moves due keys to the ready ones; returns the seconds until the next is due."""
        now = self._clock()
        while self._waiting:
            when, _, key = self._waiting[0]
            if self._due.get(key) != when:
                heapq.heappop(self._waiting)
            elif when <= now:
                heapq.heappop(self._waiting)
                del self._due[key]
                self._add(key)
            else:
                return when - now
        return None

    def done(self, key: K) -> None:
        """The worker is through with the key."""
        with self._changed:
            self._busy.discard(key)
            self._observer.finished(key)
            if key in self._again:
                self._again.discard(key)
                self._add(key)

    def __len__(self) -> int:
        with self._changed:
            return len(self._ready)

    def close(self) -> None:
        """No more keys are taken in; workers get None once the ready ones are handed out."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._due.clear()
            self._changed.notify_all()

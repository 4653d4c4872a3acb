"""Several writes to the API at once, off the thread that decides."""

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

Write = Callable[[], object]
_QUEUED = 512


class Writers:
    """At most so many threads that do writes in about the order given. Each begins when the others are not enough."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._waiting: deque[Write] = deque()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._ending = False
        lock = threading.Lock()
        self._work_is_there, self._room_is_there = threading.Condition(lock), threading.Condition(lock)

    @property
    def ending(self) -> bool:
        """What is queued is still called, and may leave off."""
        return self._ending

    def put(self, write: Write) -> None:
        """Waits while too many are queued. Raises RuntimeError when the writers end; else the write will be called."""
        with self._room_is_there:
            while len(self._waiting) >= _QUEUED and not self._ending:
                self._room_is_there.wait()
            if self._ending:
                raise RuntimeError("the writers end")
            self._waiting.append(write)
            if len(self._waiting) > self._idle and len(self._threads) < self._most:
                name = f"{self._name}-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
                self._threads[-1].start()
            self._work_is_there.notify()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ends when all that is queued was called."""
        with self._work_is_there:
            self._ending = True
            self._work_is_there.notify_all()
            self._room_is_there.notify_all()
        for thread in self._threads:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (write := self._next()) is not None:
            try:
                write()
            except Exception:
                # The door of this thread: one odd object must not stop all others.
                log.exception("write broke")

    def _next(self) -> Write | None:
        with self._work_is_there:
            self._idle += 1
            while not self._waiting and not self._ending:
                self._work_is_there.wait()
            self._idle -= 1
            self._room_is_there.notify()
            return self._waiting.popleft() if self._waiting else None

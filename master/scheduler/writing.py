"""Several writes to the API at once, off the thread that decides."""

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

Write = Callable[[], None]
_QUEUED = 512


class Writers:
    """Threads that do writes in about the order given. ``put`` waits when too many are queued."""

    def __init__(self, threads: int, name: str = "scheduler-writer") -> None:
        self._queue: queue.Queue[Write | None] = queue.Queue(_QUEUED)
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def put(self, write: Write) -> None:
        self._queue.put(write)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ends after what is queued. No more may be put."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)

    def _work(self) -> None:
        while (write := self._queue.get()) is not None:
            try:
                write()
            except Exception:
                # The door of this thread: one odd pod must not stop all others.
                log.exception("write broke")

"""A few named threads for work that takes long: pulls, hooks, probes. One job a key; the queue is bounded.

A job must not raise what it expects to happen; what it raises nevertheless is logged and costs only itself.
"""

import logging
import queue
import threading
from collections.abc import Callable, Hashable

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Jobs:
    """``submit`` refuses a key that is queued or under way, and everything while the queue is full."""

    def __init__(self, name: str, *, threads: int, queued: int = 512) -> None:
        self._name = name
        self._queue: queue.Queue[tuple[Hashable, Job] | None] = queue.Queue(queued)
        self._keys: set[Hashable] = set()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"agent-{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, key: Hashable, job: Job) -> bool:
        """Whether the job was taken."""
        with self._lock:
            if key in self._keys:
                return False
            try:
                self._queue.put_nowait((key, job))
            except queue.Full:
                log.warning("job refused, queue full pool=%s key=%s", self._name, key)
                return False
            self._keys.add(key)
            return True

    def close(self, timeout_s: float = 2.0) -> None:
        """Waiting jobs are dropped; those under way are waited for within the limit."""
        while not self._queue.empty():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(timeout_s / len(self._threads))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            key, job = item
            try:
                job()
            except Exception:
                log.exception("job failed pool=%s key=%s", self._name, key)
            finally:
                with self._lock:
                    self._keys.discard(key)

"""A few named threads for work that takes long: pulls, hooks, probes. One job a key; the queue is bounded.

A job must not raise what it expects to happen; what it raises nevertheless is logged and costs only itself. With
``spares`` a job that hangs is replaced in the crew (probes, which must not delay each other); without, the number of
threads is a limit that holds (pulls, which share one line).
"""

import logging
import queue
import threading
from collections.abc import Callable, Hashable

from agent.crew import PATIENCE_S, Crew

log = logging.getLogger(__name__)

Job = Callable[[], None]
_NO_LIMIT_S = 24 * 3600.0


class Jobs:
    """``submit`` refuses a key that is queued or under way, and everything while the queue is full."""

    def __init__(self, name: str, *, threads: int, queued: int = 512, spares: bool = False) -> None:
        self._name = name
        self._queue: queue.Queue[tuple[Hashable, Job] | None] = queue.Queue(queued)
        self._keys: set[Hashable] = set()
        self._lock = threading.Lock()
        patience_s = PATIENCE_S if spares else _NO_LIMIT_S
        self._crew: Crew[tuple[Hashable, Job]] = Crew(
            name, threads=threads, take=self._take, work=self._work, patience_s=patience_s
        )
        self._crew.start()

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
        self._queue.put(None)
        self._crew.join(timeout_s)

    def _take(self) -> tuple[Hashable, Job] | None:
        item = self._queue.get()
        if item is None:
            self._queue.put(None)  # for the next thread: there is one end for all of them
        return item

    def _work(self, item: tuple[Hashable, Job]) -> None:
        key, job = item
        try:
            job()
        except Exception:
            log.exception("job failed pool=%s key=%s", self._name, key)
        finally:
            with self._lock:
                self._keys.discard(key)

"""The loop around every controller: take a key, reconcile it, try again later if that failed."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from api.errors import ApiError, Conflict
from api.meta import Object
from client import Informer, Unreachable, WorkQueue
from master.metrics import QueueMetrics, failures_of

log = logging.getLogger(__name__)

Key = tuple[str, str]
Reconcile = Callable[[Key], str]


class Loop:
    """Workers of one controller. ``reconcile(key)`` returns a sentence of what it did, empty for nothing.

    The first worker starts with the loop, each further one when a key waits and all others are busy: most never are.
    """

    def __init__(self, name: str, reconcile: Reconcile, *, workers: int = 1) -> None:
        self.name = name
        self.queue: WorkQueue[Key] = WorkQueue(observer=QueueMetrics(name), hire=self._hire)
        self._failures = failures_of(name)
        self._reconcile = reconcile
        self._workers = workers
        self._begun = 0
        self._threads: list[threading.Thread] = []

    def follow(self, *informers: Informer[Any]) -> None:
        """Each object is a key, whatever happens to it."""
        for informer in informers:
            informer.add_listener(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for item in (new, old):
            if item is not None:
                self.queue.add((item.metadata.namespace, item.metadata.name))
                return

    def start(self) -> None:
        self._begin()

    def _hire(self) -> None:
        # Before the start keys only gather.
        if 0 < self._begun < self._workers:
            self._begin()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self.name}-{self._begun}", daemon=True)
        self._begun += 1
        thread.start()
        self._threads.append(thread)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def stop(self, timeout_s: float = 5.0) -> None:
        self.queue.close()
        for thread in self._threads:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (key := self.queue.get()) is not None:
            try:
                self._handle(key)
            finally:
                self.queue.done(key)

    def _handle(self, key: Key) -> None:
        try:
            said = self._reconcile(key)
        except Conflict as error:
            # Someone was quicker; the informer will bring the newer state.
            log.debug("reconcile conflicted controller=%s key=%s/%s error=%s", self.name, *key, error)
            self.queue.retry(key)
        except (ApiError, Unreachable) as error:
            self._failed(key, f"error={error}")
        except Exception:
            # The door of this thread: a fault in one object must not end the controller for all.
            log.exception("reconcile broke controller=%s key=%s/%s", self.name, *key)
            self._failed(key, "error=bug")
        else:
            self.queue.forget(key)
            if said:
                log.info("reconciled controller=%s key=%s/%s did=%r", self.name, *key, said)

    def _failed(self, key: Key, what: str) -> None:
        self._failures.inc()
        delay_s = self.queue.retry(key)
        log.warning("reconcile failed controller=%s key=%s/%s %s retry_s=%.2f", self.name, *key, what, delay_s)

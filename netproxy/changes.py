"""What a source has told and no pass has served yet: it wakes the control thread, and is what metrics tell of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from api.meta import Object

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
"""Annotation of slices and Endpoints: when the pod or service changed that the master's change is about."""
MAX_TRIGGERS = 10_000
"""Times kept for the next good pass; more are not told of."""


@dataclass(frozen=True, slots=True)
class Told:
    """How much was told up to a moment."""

    services: int = 0
    endpoints: int = 0
    triggers: int = 0
    """Of those that wait at that moment."""


class Changes:
    """Sources tell of changes in their threads, the control thread settles them. `wake` is called at each."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.last_queued = 0.0
        """When the last one came, seconds since 1970; 0: none yet."""
        self._wake = wake
        self._lock = threading.Lock()
        self._services = self._endpoints = 0
        self._settled = Told()
        self._triggers: deque[float] = deque()
        self._since = time.time()

    def service(self) -> None:
        """A service came, went or changed."""
        with self._lock:
            self._services += 1
        self.other()

    def endpoints(self, new: Object | None) -> None:
        """Endpoints of a service came, went (None) or changed."""
        triggered = trigger_time(new) if new is not None else None
        with self._lock:
            self._endpoints += 1
            # What happened before this start says nothing of how fast it is.
            if triggered is not None and triggered >= self._since and len(self._triggers) < MAX_TRIGGERS:
                self._triggers.append(triggered)
        self.other()

    def other(self) -> None:
        """Something else did that may matter."""
        self.last_queued = time.time()
        self._wake()

    def told(self) -> Told:
        """All until now: a pass that begins now will serve it."""
        with self._lock:
            return Told(self._services, self._endpoints, len(self._triggers))

    def settle(self, told: Told) -> list[float]:
        """A pass served what was told until then; when it was triggered, each in seconds since 1970."""
        with self._lock:
            self._settled = told
            return [self._triggers.popleft() for _ in range(told.triggers)]

    def pending(self) -> Told:
        """What no pass has served yet."""
        with self._lock:
            services, endpoints = self._services - self._settled.services, self._endpoints - self._settled.endpoints
            return Told(services, endpoints, len(self._triggers))


def trigger_time(one: Object) -> float | None:
    """Seconds since 1970; None when it is not told, or not as a time."""
    try:
        return datetime.fromisoformat(one.metadata.annotations.get(TRIGGER_TIME, "")).timestamp()
    except ValueError:
        return None

"""What happened to containers of late: created, deleted, killed for want of memory. Bounded; cAdvisor's event types."""

import threading
import time
from collections import deque
from dataclasses import dataclass

CREATION, DELETION, OOM_KILL = "containerCreation", "containerDeletion", "oomKill"
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """`container`: the cgroup's name."""

    time_s: float
    container: str
    type: str


class EventLog:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=_KEPT)

    def add(self, container: str, kind: str) -> None:
        with self._lock:
            self._events.append(Event(time.time(), container, kind))

    def all(self) -> tuple[Event, ...]:
        """The oldest first."""
        with self._lock:
            return tuple(self._events)

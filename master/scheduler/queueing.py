"""The pods that wait for a node: the most important first, then the one that has waited longest.

A pod that was refused is set aside until something happens that may help it, but not before its back-off is over; one
that could not be bound comes again after its back-off. Pods set aside for long are looked at again all the same.
"""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from master.scheduler.change import NOTHING, Change

Key = tuple[str, str]
_ASIDE_MAX_S = 300.0


@dataclass(slots=True)
class Entry:
    """A waiting pod. ``attempts``: how often it was looked at. ``said``: what was told about it last."""

    key: Key
    uid: str
    priority: int
    since_s: float
    attempts: int = 0
    said: str = ""
    # What has happened while it was looked at.
    meanwhile: Change = NOTHING
    again: bool = False
    state: str = "new"
    until_s: float = 0.0
    helped_by: Change = field(default=NOTHING)


class SchedulingQueue:
    """Safe to share between threads. Each pod is in it once, and is handed out to one thread at a time."""

    def __init__(
        self, *, initial_s: float = 1.0, max_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._initial_s = initial_s
        self._max_s = max_s
        self._clock = clock
        self._changed = threading.Condition()
        self._entries: dict[Key, Entry] = {}
        self._active: list[tuple[int, float, int, Entry]] = []
        self._waiting: list[tuple[float, int, Entry]] = []
        # Pods set aside, by what may help them.
        self._aside: dict[Change, dict[Key, Entry]] = {}
        self._busy: set[Key] = set()
        self._flushed_s = clock()
        self._serial = 0
        self._closed = False

    def add(self, key: Key, uid: str, priority: int) -> None:
        """A pod waits; or one that waits has changed so that it may fit."""
        with self._changed:
            entry = self._entries.get(key)
            if entry is None or entry.uid != uid:
                self._drop(key)
                entry = self._entries[key] = Entry(key, uid, priority, self._clock())
                self._activate(entry)
            elif key in self._busy:
                entry.again = True
            elif entry.state == "aside":
                self._take_from_aside(entry)
                self._activate(entry)

    def remove(self, key: Key) -> None:
        """The pod waits no longer."""
        with self._changed:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._take_from_aside(entry)
            entry.state = "gone"
        self._busy.discard(key)

    def get(self, timeout_s: float | None = None) -> Entry | None:
        """The next pod, to be ended with ``refused``, ``failed`` or ``remove``. None when closed or the time is up."""
        deadline = None if timeout_s is None else self._clock() + timeout_s
        with self._changed:
            while not self._closed:
                wait_s = self._release()
                entry = self._first()
                if entry is not None:
                    return entry
                if deadline is not None:
                    left_s = deadline - self._clock()
                    if left_s <= 0:
                        return None
                    wait_s = min(wait_s, left_s)
                self._changed.wait(wait_s)
        return None

    def _first(self) -> Entry | None:
        while self._active:
            entry = heapq.heappop(self._active)[-1]
            if entry.state == "active":
                entry.state = "busy"
                entry.attempts += 1
                entry.meanwhile, entry.again = NOTHING, False
                self._busy.add(entry.key)
                return entry
        return None

    def refused(self, entry: Entry, helped_by: Change) -> None:
        """Nothing fits. It comes again when one of these changes happens (it may have, while it was looked at)."""
        with self._changed:
            if not self._end(entry):
                return
            if entry.again:
                self._activate(entry)
            elif entry.meanwhile & helped_by:
                self._back_off(entry)
            else:
                entry.state, entry.helped_by, entry.until_s = "aside", helped_by, self._clock() + self._delay_s(entry)
                self._aside.setdefault(helped_by, {})[entry.key] = entry

    def failed(self, entry: Entry) -> float:
        """Something went wrong: it comes again after its back-off, which is returned in seconds."""
        with self._changed:
            delay_s = self._delay_s(entry)
            if self._end(entry):
                self._back_off(entry)
            return delay_s

    def end(self, entry: Entry) -> None:
        """The pod has its node."""
        with self._changed:
            if self._end(entry):
                self._drop(entry.key)

    def _end(self, entry: Entry) -> bool:
        """Whether the pod is still waited for; it is busy no more."""
        if self._entries.get(entry.key) is not entry:
            return False
        self._busy.discard(entry.key)
        return True

    def happened(self, change: Change) -> None:
        """Pods that this may help come again."""
        with self._changed:
            for key in self._busy:
                self._entries[key].meanwhile |= change
            for helped_by in [one for one in self._aside if one & change]:
                for entry in self._aside.pop(helped_by).values():
                    self._back_off(entry, entry.until_s)

    def _delay_s(self, entry: Entry) -> float:
        return float(min(self._initial_s * 2.0 ** min(max(entry.attempts - 1, 0), 30), self._max_s))

    def _back_off(self, entry: Entry, until_s: float | None = None) -> None:
        until_s = self._clock() + self._delay_s(entry) if until_s is None else until_s
        if until_s <= self._clock():
            self._activate(entry)
            return
        entry.state = "waiting"
        self._serial += 1
        heapq.heappush(self._waiting, (until_s, self._serial, entry))
        self._changed.notify()

    def _activate(self, entry: Entry) -> None:
        entry.state = "active"
        self._serial += 1
        heapq.heappush(self._active, (-entry.priority, entry.since_s, self._serial, entry))
        self._changed.notify()

    def _take_from_aside(self, entry: Entry) -> None:
        group = self._aside.get(entry.helped_by)
        if entry.state == "aside" and group is not None:
            group.pop(entry.key, None)
            if not group:
                del self._aside[entry.helped_by]

    def _release(self) -> float:
        """Activates the pods whose time has come; returns the seconds until the next look."""
        now = self._clock()
        if now - self._flushed_s >= _ASIDE_MAX_S / 10:
            self._flushed_s = now
            self._flush(now)
        while self._waiting:
            until_s, _, entry = self._waiting[0]
            if entry.state != "waiting":
                heapq.heappop(self._waiting)
            elif until_s <= now:
                heapq.heappop(self._waiting)
                self._activate(entry)
            else:
                return min(until_s - now, _ASIDE_MAX_S / 10)
        return _ASIDE_MAX_S / 10

    def _flush(self, now: float) -> None:
        for group in list(self._aside.values()):
            for entry in list(group.values()):
                if now - entry.until_s >= _ASIDE_MAX_S:
                    self._take_from_aside(entry)
                    self._activate(entry)

    def pending(self) -> dict[str, int]:
        """How many pods wait, by the name that Kubernetes has for where they do."""
        with self._changed:
            states = Counter(entry.state for entry in self._entries.values())
        active = states["active"] + states["busy"]
        return {"active": active, "backoff": states["waiting"], "unschedulable": states["aside"]}

    def waited_s(self, entry: Entry) -> float:
        """Since it came into the queue."""
        return self._clock() - entry.since_s

    def __len__(self) -> int:
        """All pods that wait, wherever they stand."""
        with self._changed:
            return len(self._entries)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

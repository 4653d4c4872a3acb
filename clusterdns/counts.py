"""Plain numbers of what was asked and answered; who shows them turns them into metrics.

The rule: a ready answer costs one increment, of the number whose place stands before its bytes. Nothing grows with the
number of names, and nothing is ever summed up by the thread that answers: the clients of that moment would wait for it.
"""

import threading
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from clusterdns.wire import QTYPES, RCODES

BOUNDS_S = tuple(0.00025 * 2.0**power for power in range(16))
"""CoreDNS' own: 0.25 ms doubled up to 8.192 s."""
OTHER = "other"
_KINDS, _CODES = (*QTYPES.values(), OTHER), tuple(RCODES)


@dataclass(slots=True)
class Times:
    """A histogram: so many in each range, and the sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, took_s: float, times: int = 1) -> None:
        self.counts[bisect_left(BOUNDS_S, took_s)] += times
        self.sum_s += took_s * times

    def __add__(self, other: "Times") -> "Times":
        return Times([a + b for a, b in zip(self.counts, other.counts, strict=True)], self.sum_s + other.sum_s)


@dataclass(frozen=True, slots=True)
class Totals:
    """Questions by type, answers by code and by who had them (CoreDNS' name of a plugin), and how long they took."""

    questions: Counter[str]
    answers: Counter[tuple[int, str]]
    times: Times


class Traffic:
    """Of one protocol. ``given`` is for the one thread that gives ready answers: how many of each kind, by `place`."""

    def __init__(self) -> None:
        self.given = [0] * (len(_KINDS) * len(_CODES))
        self._ready = Times()
        self._lock = threading.Lock()
        self._questions: Counter[str] = Counter()
        self._answers: Counter[tuple[int, str]] = Counter()
        self._times = Times()

    def gave_ready(self, count: int, took_s: float) -> None:
        """So many of a batch, counted in ``given`` already; each waited for the whole batch."""
        self._ready.add(took_s, count)

    def answered(self, kind: str, code: int, by: str, took_s: float) -> None:
        with self._lock:
            self._questions[kind] += 1
            self._answers[code, by] += 1
            self._times.add(took_s)

    def totals(self) -> Totals:
        with self._lock:
            questions, answers = self._questions.copy(), self._answers.copy()
            times = self._times + self._ready
        for number, count in enumerate(self.given):
            if count:
                kind, code = divmod(number, len(_CODES))
                questions[_KINDS[kind]] += count
                answers[_CODES[code], "kubernetes"] += count
        return Totals(questions, answers, times)


def place(kind: str, code: int) -> int:
    """Where in ``given`` answers of this type and code are counted; below 256."""
    return _KINDS.index(kind) * len(_CODES) + _CODES.index(code)


def type_name(kind: bytes) -> str:
    """Of a question's type as it stands on the wire; CoreDNS tells rarer ones together too."""
    return QTYPES.get(int.from_bytes(kind[:2], "big"), OTHER)


@dataclass(slots=True)
class CacheCounts:
    """Written under the cache's lock. ``hits`` by whether the answer was one that says no."""

    hits: Counter[bool] = field(default_factory=Counter)
    misses: int = 0
    prefetches: int = 0
    stale: int = 0


class Forwarding:
    """What other servers were asked, by server. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[tuple[str, int], Times] = {}
        self._asked: Counter[str] = Counter()
        self._failed_checks: Counter[str] = Counter()
        self.refused = 0
        """Questions that found no place in the queue; written by whoever submits, under the forwarder's lock."""

    def asked(self, server: str) -> float:
        """The moment at which it began."""
        with self._lock:
            self._asked[server] += 1
        return time.perf_counter()

    def answered(self, server: str, code: int, began: float) -> None:
        with self._lock:
            self._times.setdefault((server, code), Times()).add(time.perf_counter() - began)

    def failed_check(self, server: str) -> None:
        with self._lock:
            self._failed_checks[server] += 1

    def totals(self) -> tuple[Counter[str], dict[tuple[str, int], Times], Counter[str]]:
        """Questions by server, answers by server and code, failed checks by server."""
        with self._lock:
            times = {key: one + Times() for key, one in self._times.items()}
            return self._asked.copy(), times, self._failed_checks.copy()


@dataclass(frozen=True, slots=True)
class Counts:
    """All of one server."""

    udp: Traffic = field(default_factory=Traffic)
    tcp: Traffic = field(default_factory=Traffic)
    cache: CacheCounts = field(default_factory=CacheCounts)
    forwarding: Forwarding = field(default_factory=Forwarding)

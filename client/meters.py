"""Counters, gauges and histograms of a daemon: cheap to count with, and light while nobody asks.

`client.showing` makes Prometheus' text of them. The library for that brings an HTTP server and mail along, 5 MiB, which
a daemon that nobody scrapes need not carry. A family with labels is told once it has a series, as Kubernetes' own are.
Safe to share between threads.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Labels = tuple[str, ...]


class Count:
    """One series of a counter or gauge."""

    __slots__ = ("_ask", "_lock", "_value")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0.0
        self._ask: Callable[[], float] | None = None

    def inc(self, amount: float = 1.0) -> None:
        with self._lock:
            self._value += amount

    def set(self, value: float) -> None:
        self._value = float(value)

    def set_function(self, ask: Callable[[], float]) -> None:
        """The value is asked for when somebody looks."""
        self._ask = ask

    @property
    def value(self) -> float:
        return self._value if self._ask is None else float(self._ask())


class Distribution:
    """One series of a histogram."""

    __slots__ = ("_bounds", "_counts", "_lock", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    @property
    def seen(self) -> tuple[list[int], float]:
        """How many fell to each bound and above the one before, at last those above all, and the sum."""
        with self._lock:
            return list(self._counts), self._sum


C = TypeVar("C", Count, Distribution)


class Family(Generic[C]):
    """All series of one name."""

    def __init__(self, kind: str, name: str, text: str, names: Labels, make: Callable[[], C]) -> None:
        self.kind, self.name, self.text, self.names = kind, name, text, names
        self._make: Callable[[], C] = make
        self._series: dict[Labels, C] = {}
        self._lock = threading.Lock()

    def labels(self, *values: str) -> C:
        """The series of these values, in the order of the names; of a family without labels the only one."""
        found = self._series.get(values)
        if found is None:
            if len(values) != len(self.names):
                raise ValueError(f"{self.name} has the labels {self.names}, not {values}")
            with self._lock:
                found = self._series.setdefault(values, self._make())
        return found

    @property
    def series(self) -> list[tuple[Labels, C]]:
        with self._lock:
            return list(self._series.items())


class Meters:
    """What one part of a daemon counts. A counter's name stands without its ``_total``."""

    def __init__(self) -> None:
        self.counts: list[Family[Count]] = []
        self.distributions: list[tuple[Family[Distribution], Sequence[float]]] = []

    def counter(self, name: str, text: str, names: Labels = ()) -> Family[Count]:
        return self._counting("counter", name, text, names)

    def gauge(self, name: str, text: str, names: Labels = ()) -> Family[Count]:
        return self._counting("gauge", name, text, names)

    def histogram(self, name: str, text: str, names: Labels = (), *, buckets: Sequence[float]) -> Family[Distribution]:
        """``buckets`` are the upper bounds, ascending and finite."""
        family = Family("histogram", name, text, names, lambda: Distribution(buckets))
        self.distributions.append((family, buckets))
        return family

    def _counting(self, kind: str, name: str, text: str, names: Labels) -> Family[Count]:
        family = Family(kind, name, text, names, Count)
        self.counts.append(family)
        return family

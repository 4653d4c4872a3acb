"""What nodes and containers use, from two readings of an agent's ``/metrics/resource``. Pure but for its clock.

A rate wants two readings of a counter. Of a container that has only one, or that was started between the two, the rate
since its start is told, once it has run for long enough: starting itself costs more than the work that follows. What
has neither is left out, never guessed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)(?: (-?\d+))?$")
_LABEL = re.compile(r'([a-z_]+)="([^"\\]*)"')
NODE = ("", "", "")
YOUNG_S = 10.0  # as metrics-server has it
Key = tuple[str, str, str]
"""Namespace, pod, container; NODE is the node as a whole."""


@dataclass(slots=True)
class Counters:
    """Of one container at one time. Seconds of processor and bytes; ``time_s`` and ``started_s`` are Unix time."""

    time_s: float = 0.0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    started_s: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """``window_s``: over how long the processor's use was measured, up to ``time_s``."""

    time_s: float
    window_s: float
    cpu_cores: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of an agent. ``taken_s``: when, by the monotonic clock of who asked."""

    taken_s: float
    counters: Mapping[Key, Counters] = field(default_factory=dict)


def parse(text: str, *, taken_s: float, now_s: float) -> Reading:
    """Lines that are not understood are skipped: agents may tell more than is asked for."""
    found: dict[Key, Counters] = {}
    for name, labels, value, at_s in _samples(text):
        key = (labels.get("namespace", ""), labels.get("pod", ""), labels.get("container", ""))
        if name.startswith("node_"):
            key = NODE
        elif not name.startswith("container_") or not all(key):
            continue
        one = found.setdefault(key, Counters())
        if name.endswith("_cpu_usage_seconds_total"):
            one.cpu_s, one.time_s = value, at_s or now_s
        elif name.endswith("_memory_working_set_bytes"):
            one.memory_bytes = int(value)
        elif name == "container_start_time_seconds":
            one.started_s = value
    return Reading(taken_s, found)


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float, float | None]]:
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, labels, value, stamp = match.groups()
        try:
            yield name, dict(_LABEL.findall(labels or "")), float(value), int(stamp) / 1000 if stamp else None
        except ValueError:
            continue


def usage_of(key: Key, before: Reading | None, now: Reading) -> Usage | None:
    """None when it is not known yet."""
    last = now.counters.get(key)
    if last is None or last.cpu_s is None or last.memory_bytes is None:
        return None
    first = before.counters.get(key) if before is not None else None
    if first is not None and first.cpu_s is not None and _same_run(first, last) and last.time_s > first.time_s:
        return _usage(last, last.time_s - first.time_s, last.cpu_s - first.cpu_s)
    if last.started_s is not None and last.time_s - last.started_s >= YOUNG_S:
        return _usage(last, last.time_s - last.started_s, last.cpu_s)
    return None


def _same_run(first: Counters, last: Counters) -> bool:
    """A counter that went back, or a start in between, is another run of the container."""
    reset = first.cpu_s is None or last.cpu_s is None or last.cpu_s < first.cpu_s
    return not reset and (last.started_s is None or last.started_s <= first.time_s)


def _usage(last: Counters, window_s: float, cpu_s: float) -> Usage:
    return Usage(last.time_s, window_s, max(0.0, cpu_s / window_s), last.memory_bytes or 0)

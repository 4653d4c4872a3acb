"""What a bystander sees of a cluster: when its pods were there, bound and running, and what the API server says."""

import asyncio
import re
import time
from collections import Counter

from bench.hollow import Line, Pod, pods

_LIMIT_S = 600.0
_TOTAL = re.compile(r"apiserver_request_total\{(.*)\} (\d+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_BUCKET = re.compile(r"apiserver_request_duration_seconds_bucket\{(.*),le=\"([^\"]+)\"\} (\d+)")
_WRITES = ("POST ", "PUT ", "PATCH ", "DELETE ")


class Observer:
    """Follows all pods, and notes when each was first seen, bound and running."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.seen: dict[str, float] = {}
        self.bound: dict[str, float] = {}
        self.running: dict[str, float] = {}
        self.synced = asyncio.Event()

    async def follow(self) -> None:
        async for kind, found in pods(self._line, "fieldSelector=metadata.namespace=default"):
            if kind == "SYNCED":
                self.synced.set()
            elif kind != "DELETED":
                self._note(found)

    def _note(self, found: Pod) -> None:
        name, moment = found.metadata.name, time.perf_counter()
        self.seen.setdefault(name, moment)
        if found.spec.node_name:
            self.bound.setdefault(name, moment)
        if found.status.phase == "Running":
            self.running.setdefault(name, moment)

    async def until(self, times: dict[str, float], count: int, start: float) -> float:
        """When so many of them came after that moment: the last one's time. ``times`` is one of the three above."""
        end = time.perf_counter() + _LIMIT_S
        while True:
            after = [moment for moment in times.values() if moment >= start]
            if len(after) >= count:
                return max(after)
            if time.perf_counter() > end:
                raise RuntimeError(f"of {count} pods {len(after)} came within {_LIMIT_S:.0f} s")
            await asyncio.sleep(0.05)


async def asked(line: Line) -> Counter[str]:
    """Requests answered so far, by verb and resource."""
    found: Counter[str] = Counter()
    for match in _TOTAL.finditer((await line.call("GET", "/metrics")).decode()):
        labels = dict(_LABEL.findall(match[1]))
        found[f"{labels['verb']} {labels.get('resource', '')} {labels.get('subresource', '')}".strip()] += int(match[2])
    return found


async def settled(line: Line) -> None:
    """Returns when nothing has been written for a while but leases."""
    end, before = time.perf_counter() + _LIMIT_S, await asked(line)
    while time.perf_counter() < end:
        await asyncio.sleep(3)
        after = await asked(line)
        if not any(key.startswith(_WRITES) and not key.endswith(" leases") for key in after - before):
            return
        before = after
    raise RuntimeError(f"not settled within {_LIMIT_S:.0f} s")


async def durations(line: Line) -> dict[float, int]:
    """How many requests, but lists and watches, took at most so many seconds."""
    found: dict[float, int] = {}
    for match in _BUCKET.finditer((await line.call("GET", "/metrics")).decode()):
        if not re.search(r'verb="(LIST|WATCH|CONNECT)"', match[1]):
            found[float(match[2])] = found.get(float(match[2]), 0) + int(match[3])
    return found


def p99_ms(before: dict[float, int], after: dict[float, int]) -> str:
    """Of the requests between two looks at ``durations``."""
    counts = {limit: after[limit] - before.get(limit, 0) for limit in sorted(after)}
    total = max(counts.values(), default=0)
    limit = next((limit for limit, count in counts.items() if count >= 0.99 * total), float("inf"))
    return f"≤ {limit * 1000:.0f} (of {total})"

"""Counts and times of requests, in the names that Kubernetes' dashboards read, as Prometheus text.

One counter and one bisection a request: the text is only made when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from master.apiserver.cache import Cache
from master.apiserver.inflight import InFlight
from master.apiserver.version import git_version

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.25,
    1.5,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
    15.0,
    20.0,
    30.0,
    45.0,
    60.0,
)
_LONG_RUNNING = ("WATCH", "CONNECT")
_VERBS = {"create": "POST", "update": "PUT", "deletecollection": "DELETECOLLECTION"}
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")

Labels = tuple[str, ...]


def verb_label(verb: str) -> str:
    return _VERBS.get(verb, verb.upper())


class Series:
    """The counters of all requests that have the same labels."""

    __slots__ = ("codes", "times")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        # A counter for each bucket, one for what is above them all, and the sum.
        self.times: list[float] = [0] * (len(_BUCKETS) + 1) + [0.0]

    def count(self, code: int, seconds: float) -> None:
        self.codes[code] = self.codes.get(code, 0) + 1
        self.times[bisect_left(_BUCKETS, seconds)] += 1
        self.times[-1] += seconds


class Requests:
    """Counters of all requests of one server."""

    def __init__(self) -> None:
        self._series: dict[Labels, Series] = {}

    def series(self, labels: Labels) -> Series:
        """``labels`` are verb, group, version, resource, subresource and scope."""
        found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = Series()
        return found

    def text(self) -> Iterator[str]:
        seen = {labels: series for labels, series in self._series.items() if series.codes}
        yield "# HELP apiserver_request_total Requests by verb, resource, scope and HTTP code."
        yield "# TYPE apiserver_request_total counter"
        for labels, series in seen.items():
            for code, count in series.codes.items():
                yield f'apiserver_request_total{{{_shown(labels)},component="apiserver",code="{code}"}} {count}'
        times = {labels: series.times for labels, series in seen.items()}
        yield from self._histogram("apiserver_request_duration_seconds", times)
        short = {labels: each for labels, each in times.items() if labels[0] not in _LONG_RUNNING}
        yield from self._histogram("apiserver_request_sli_duration_seconds", short)

    @staticmethod
    def _histogram(name: str, series: dict[Labels, list[float]]) -> Iterator[str]:
        yield f"# HELP {name} Seconds until the answer was ready; for a stream, until it began."
        yield f"# TYPE {name} histogram"
        for labels, times in series.items():
            shown, total = _shown(labels), 0
            for bound, count in zip((*_BUCKETS, "+Inf"), times, strict=False):
                total += int(count)
                yield f'{name}_bucket{{{shown},component="apiserver",le="{bound}"}} {total}'
            yield f'{name}_sum{{{shown},component="apiserver"}} {times[-1]}'
            yield f'{name}_count{{{shown},component="apiserver"}} {total}'


def _shown(labels: Labels) -> str:
    return ",".join(f'{name}="{value}"' for name, value in zip(_LABELS, labels, strict=True))


class Metrics:
    """All that /metrics shows."""

    def __init__(self, cache: Cache, inflight: InFlight) -> None:
        self.requests = Requests()
        self._cache = cache
        self._inflight = inflight

    def text(self) -> bytes:
        lines = [*self.requests.text(), *self._waiting(), *self._objects()]
        return ("\n".join(lines) + "\n").encode() + self._process()

    @cached_property
    def _process(self) -> Callable[[], bytes]:
        """The text of this process' own figures; the library for it is loaded for the first who asks."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        return lambda: generate_latest(registry)

    def _waiting(self) -> Iterator[str]:
        name = "apiserver_current_inflight_requests"
        yield f"# HELP {name} Requests that wait: for the disk, a node or another master. Others are answered at once."
        yield f"# TYPE {name} gauge"
        yield f'{name}{{request_kind="mutating"}} {self._inflight.writing.now}'
        yield f'{name}{{request_kind="readOnly"}} {self._inflight.reading.now}'

    def _objects(self) -> Iterable[str]:
        yield "# HELP apiserver_storage_objects Stored objects by resource."
        yield "# TYPE apiserver_storage_objects gauge"
        for table in self._cache:
            yield f'apiserver_storage_objects{{resource="{table.resource.qualified}"}} {len(table)}'
        yield "# HELP apiserver_registered_watchers Open watches by resource."
        yield "# TYPE apiserver_registered_watchers gauge"
        for table in self._cache:
            yield f'apiserver_registered_watchers{{resource="{table.resource.qualified}"}} {len(table.followers)}'
        yield "# HELP kubernetes_build_info The version that is served."
        yield "# TYPE kubernetes_build_info gauge"
        yield f'kubernetes_build_info{{git_version="{git_version()}"}} 1'

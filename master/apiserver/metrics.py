"""Counts and times of requests, in the names that Kubernetes' dashboards read, as Prometheus text.

One counter and one bisection a request: the text is only made when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from operator import add

from client.build import HELP, build_labels
from master.apiserver.cache import Cache
from master.apiserver.inflight import InFlight

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
_LIFETIMES = (
    0.0,
    1800.0,
    3600.0,
    7200.0,
    21600.0,
    43200.0,
    86400.0,
    172800.0,
    345600.0,
    604800.0,
    2592000.0,
    7776000.0,
    15552000.0,
    31104000.0,
)
_LONG_RUNNING = ("WATCH", "CONNECT")
_VERBS = {"create": "POST", "update": "PUT", "deletecollection": "DELETECOLLECTION"}
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")

_TOTAL = (
    "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
    "component, and HTTP response code."
)
_TIMES = {
    "apiserver_request_duration_seconds": (
        "Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, "
        "scope and component."
    ),
    "apiserver_request_sli_duration_seconds": (
        "Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in "
        "seconds for each verb, group, version, resource, subresource, scope and component."
    ),
}

Labels = tuple[str, ...]


def verb_label(verb: str) -> str:
    return _VERBS.get(verb, verb.upper())


def dry_run_label(values: list[str]) -> str:
    """What a request's ``dryRun`` is counted as; one that says something wrong is refused."""
    return "" if not values else "All" if set(values) == {"All"} else "invalid"


class Series:
    """The counters of all requests that have the same labels."""

    __slots__ = ("codes", "dry_run", "ended", "labels", "times")

    def __init__(self, labels: Labels, dry_run: str) -> None:
        self.labels = labels
        self.dry_run = dry_run
        self.codes: dict[int, int] = {}
        self.ended = 0
        """How many were refused in self-defence; these are among those of code 429."""
        # A counter for each bucket, one for what is above them all, and the sum.
        self.times: list[float] = [0] * (len(_BUCKETS) + 1) + [0.0]

    def count(self, code: int, seconds: float) -> None:
        self.codes[code] = self.codes.get(code, 0) + 1
        self.times[bisect_left(_BUCKETS, seconds)] += 1
        self.times[-1] += seconds


class Certificates:
    """How long the certificates that requests came with were still good."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_LIFETIMES) + 1)
        self._sum_s = 0.0

    def used(self, left_s: float) -> None:
        self._counts[bisect_left(_LIFETIMES, left_s)] += 1
        self._sum_s += left_s

    def text(self) -> Iterator[str]:
        name = "apiserver_client_certificate_expiration_seconds"
        yield f"# HELP {name} Distribution of the remaining lifetime on the certificate used to authenticate a request."
        yield f"# TYPE {name} histogram"
        total = 0
        for bound, count in zip((*_LIFETIMES, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum_s}"
        yield f"{name}_count {total}"


class Requests:
    """Counters of all requests of one server."""

    def __init__(self) -> None:
        self._series: dict[tuple[Labels, str], Series] = {}

    def series(self, labels: Labels, dry_run: str = "") -> Series:
        """``labels`` are verb, group, version, resource, subresource and scope; ``dry_run`` is empty, ``All`` or
        ``invalid``."""
        found = self._series.get((labels, dry_run))
        if found is None:
            found = self._series[labels, dry_run] = Series(labels, dry_run)
        return found

    def text(self) -> Iterator[str]:
        seen = [series for series in self._series.values() if series.codes]
        yield f"# HELP apiserver_request_total {_TOTAL}"
        yield "# TYPE apiserver_request_total counter"
        for series in seen:
            for code, count in series.codes.items():
                yield f'apiserver_request_total{{{_tried(series)},component="apiserver",code="{code}"}} {count}'
        # These two, as in Kubernetes, do not tell what is only tried.
        ended: dict[Labels, int] = {}
        short: dict[Labels, list[float]] = {}
        for series in seen:
            ended[series.labels] = ended.get(series.labels, 0) + series.ended
            if series.labels[0] not in _LONG_RUNNING:
                known = short.get(series.labels)
                short[series.labels] = [*map(add, known, series.times)] if known else series.times
        name = "apiserver_request_terminations_total"
        yield f"# HELP {name} Number of requests which apiserver terminated in self-defense."
        yield f"# TYPE {name} counter"
        for labels, count in ended.items():
            if count:
                yield f'{name}{{{_shown(labels)},component="apiserver",code="429"}} {count}'
        yield from self._histogram("apiserver_request_duration_seconds", ((_tried(one), one.times) for one in seen))
        times = ((_shown(labels), each) for labels, each in short.items())
        yield from self._histogram("apiserver_request_sli_duration_seconds", times)

    @staticmethod
    def _histogram(name: str, series: Iterable[tuple[str, list[float]]]) -> Iterator[str]:
        yield f"# HELP {name} {_TIMES[name]}"
        yield f"# TYPE {name} histogram"
        for shown, times in series:
            total = 0
            for bound, count in zip((*_BUCKETS, "+Inf"), times, strict=False):
                total += int(count)
                yield f'{name}_bucket{{{shown},component="apiserver",le="{bound}"}} {total}'
            yield f'{name}_sum{{{shown},component="apiserver"}} {times[-1]}'
            yield f'{name}_count{{{shown},component="apiserver"}} {total}'


def _shown(labels: Labels) -> str:
    return ",".join(f'{name}="{value}"' for name, value in zip(_LABELS, labels, strict=True))


def _tried(series: Series) -> str:
    return f'{_shown(series.labels)},dry_run="{series.dry_run}"'


class Metrics:
    """All that /metrics shows."""

    def __init__(self, cache: Cache, inflight: InFlight) -> None:
        self.requests = Requests()
        self.certificates = Certificates()
        self._cache = cache
        self._inflight = inflight

    def text(self) -> bytes:
        lines = [*self.requests.text(), *self.certificates.text(), *self._waiting(), *self._objects()]
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
        yield (
            f"# HELP {name} Maximal number of currently used inflight request limit of this apiserver per request kind "
            "in last second."
        )
        yield f"# TYPE {name} gauge"
        yield f'{name}{{request_kind="mutating"}} {self._inflight.writing.now}'
        yield f'{name}{{request_kind="readOnly"}} {self._inflight.reading.now}'

    def _objects(self) -> Iterable[str]:
        name = "apiserver_storage_objects"
        yield f"# HELP {name} Number of stored objects at the time of last check split by kind."
        yield "# TYPE apiserver_storage_objects gauge"
        for table in self._cache:
            yield f'apiserver_storage_objects{{resource="{table.resource.qualified}"}} {len(table)}'
        yield "# HELP apiserver_registered_watchers Number of currently registered watchers for a given resources"
        yield "# TYPE apiserver_registered_watchers gauge"
        for table in self._cache:
            yield f'apiserver_registered_watchers{{resource="{table.resource.qualified}"}} {len(table.followers)}'
        shown = ",".join(f'{label}="{value}"' for label, value in build_labels().items())
        yield f"# HELP kubernetes_build_info {HELP}"
        yield "# TYPE kubernetes_build_info gauge"
        yield f"kubernetes_build_info{{{shown}}} 1"

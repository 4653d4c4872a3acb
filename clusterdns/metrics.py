"""The numbers as Prometheus metrics, under CoreDNS' names, which dashboards made for Kubernetes know.

Source: coredns/plugin/{metrics/vars,cache,forward,pkg/proxy}/README.md.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from client.showing import show
from clusterdns.counts import BOUNDS_S, Counts, Times
from clusterdns.wire import NOERROR, NXDOMAIN, RCODES, SERVFAIL

_ZONE = "."
_USUAL = (NOERROR, NXDOMAIN, SERVFAIL)
_FAMILIES = {False: "1", True: "2"}  # whether IPv6
_HERE = ["server", "zone", "view"]
_CACHE = ["server", "zones", "view"]


class DnsCollector(Collector):
    """``address`` and ``port``: where questions are answered. ``kept``: how many answers the cache has, by whether they
    say no.
    """

    def __init__(self, counts: Counts, address: str, port: int, kept: Callable[[], Counter[bool]]) -> None:
        self._counts = counts
        self._kept = kept
        self._family = _FAMILIES[":" in address]
        where = f"[{address}]" if ":" in address else address
        self._here = [f"dns://{where}:{port}", _ZONE, ""]

    def collect(self) -> Iterator[Metric]:
        yield _build_info()
        yield from self._traffic()
        yield from self._cache()
        yield from self._forwarding()

    def _traffic(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "coredns_dns_requests",
            "Counter of DNS requests made per zone, protocol and family.",
            labels=[*_HERE, "proto", "family", "type"],
        )
        responses = CounterMetricFamily(
            "coredns_dns_responses", "Counter of response status codes.", labels=[*_HERE, "rcode", "plugin"]
        )
        # A share of failures is to be told also while there is none.
        answers = Counter({(code, plugin): 0 for code in _USUAL for plugin in ("kubernetes", "forward")})
        times = Times()
        for protocol, traffic in (("udp", self._counts.udp), ("tcp", self._counts.tcp)):
            totals = traffic.totals()
            for kind, count in sorted(totals.questions.items()):
                requests.add_metric([*self._here, protocol, self._family, kind], count)
            answers.update(totals.answers)
            times += totals.times
        for (code, plugin), count in sorted(answers.items()):
            responses.add_metric([*self._here, RCODES.get(code, str(code)), plugin], count)
        took = HistogramMetricFamily(
            "coredns_dns_request_duration_seconds",
            "Histogram of the time (in seconds) each request took per zone.",
            labels=_HERE,
        )
        took.add_metric(self._here, *_buckets(times))
        yield from (requests, responses, took)

    def _cache(self) -> Iterator[Metric]:
        counts = self._counts.cache
        entries = GaugeMetricFamily(
            "coredns_cache_entries", "The number of elements in the cache.", labels=[*_CACHE, "type"]
        )
        hits = CounterMetricFamily("coredns_cache_hits", "The count of cache hits.", labels=[*_CACHE, "type"])
        kept = self._kept()
        for no, word in ((False, "success"), (True, "denial")):
            entries.add_metric([*self._here, word], kept[no])
            hits.add_metric([*self._here, word], counts.hits[no])
        yield from (entries, hits)
        for name, text, value in (
            ("requests", "The count of cache requests.", counts.hits.total() + counts.misses),
            (
                "misses",
                "The count of cache misses. Deprecated, derive misses from cache hits/requests counters.",
                counts.misses,
            ),
            ("prefetch", "The number of times the cache has prefetched a cached item.", counts.prefetches),
            ("served_stale", "The number of requests served from stale cache entries.", counts.stale),
        ):
            family = CounterMetricFamily(f"coredns_cache_{name}", text, labels=_CACHE)
            family.add_metric(self._here, value)
            yield family

    def _forwarding(self) -> Iterator[Metric]:
        asked, times, failed_checks = self._counts.forwarding.totals()
        requests = CounterMetricFamily(
            "coredns_forward_requests", "Counter of requests made per upstream.", labels=["to"]
        )
        for server, count in sorted(asked.items()):
            requests.add_metric([server], count)
        responses = CounterMetricFamily(
            "coredns_forward_responses", "Counter of responses received per upstream.", labels=["to", "rcode"]
        )
        took = HistogramMetricFamily(
            "coredns_proxy_request_duration_seconds",
            "Histogram of the time each request took.",
            labels=["proxy_name", "to", "rcode"],
        )
        for (server, code), one in sorted(times.items()):
            rcode = RCODES.get(code, str(code))
            responses.add_metric([server, rcode], sum(one.counts))
            took.add_metric(["forward", server, rcode], *_buckets(one))
        failures = CounterMetricFamily(
            "coredns_proxy_healthcheck_failures",
            "Counter of the number of failed healthchecks.",
            labels=["proxy_name", "to"],
        )
        for server, count in sorted(failed_checks.items()):
            failures.add_metric(["forward", server], count)
        yield from (requests, responses, took, failures)
        yield CounterMetricFamily(
            "coredns_forward_max_concurrent_rejects",
            "Counter of the number of queries rejected because the concurrent queries were at maximum.",
            value=self._counts.forwarding.refused,
        )


def shown(collector: DnsCollector) -> CollectorRegistry:
    """All that /metrics tells."""
    registry = CollectorRegistry()
    registry.register(collector)
    show(registry)
    ProcessCollector(registry=registry)
    return registry


def _buckets(times: Times) -> tuple[list[tuple[str, float]], float]:
    total, found = 0, []
    for bound, count in zip((*map(repr, BOUNDS_S), "+Inf"), times.counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found, times.sum_s


def _build_info() -> Metric:
    family = GaugeMetricFamily(
        "coredns_build_info",
        "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
        labels=["version", "revision", "goversion"],
    )
    try:
        own = version("steersman")
    except PackageNotFoundError:
        own = "0.0.0"
    family.add_metric([f"steersman-{own}", "", f"python{platform.python_version()}"], 1)
    return family

"""Metrics under kube-proxy's names, and our own per service. Numbers are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from netproxy.dataplane.counters import Counters
from netproxy.dataplane.plane import DataPlane
from netproxy.services import PortName

_BUCKETS = tuple(0.001 * 2**step for step in range(15))
"""kube-proxy's own: 1 ms doubled up to 16 s."""
_LABELS = ("namespace", "service", "port")


class ProxyMetrics:
    """The registry of one proxy."""

    def __init__(self, plane: DataPlane) -> None:
        self.registry = CollectorRegistry()
        self.sync_duration = Histogram(
            "kubeproxy_sync_proxy_rules_duration_seconds",
            "Seconds one pass took: data plane and rules",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.last_sync = Gauge(
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
            "When the last pass succeeded, seconds since 1970",
            registry=self.registry,
        )
        self.failures = Gauge(
            "netproxy_sync_failures_in_row", "Passes that failed since the last good one", registry=self.registry
        )
        self.registry.register(_PlaneCollector(plane))


class _PlaneCollector(Collector):
    """Reads the data plane's counters."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def collect(self) -> Iterator[Metric]:
        counters = self._plane.counters()
        yield _counter(counters, "netproxy_connections", "Connections and UDP flows begun", lambda c: c.accepted)
        yield _counter(counters, "netproxy_refused", "Clients no endpoint answered", lambda c: c.refused)
        yield _counter(counters, "netproxy_failed_dials", "Endpoints that refused or were silent", _failed_dials)
        active = GaugeMetricFamily("netproxy_active_connections", "Connections and UDP flows now", labels=_LABELS)
        picks = CounterMetricFamily("netproxy_picks", "Picks of an endpoint", labels=[*_LABELS, "endpoint"])
        for name, counter in counters.items():
            active.add_metric(list(name), counter.active)
            for (address, port), count in list(counter.picks.items()):
                picks.add_metric([*name, f"{address}:{port}"], count)
        yield active
        yield picks
        yield CounterMetricFamily(
            "netproxy_accept_pauses", "Times descriptors ran out and accepting paused", value=self._plane.accept_pauses
        )
        yield CounterMetricFamily("netproxy_faults", "Unexpected errors contained", value=self._plane.faults)


def _failed_dials(counters: Counters) -> int:
    return counters.failed_dials


def _counter(
    counters: dict[PortName, Counters], name: str, text: str, read: Callable[[Counters], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=_LABELS)
    for port, counter in counters.items():
        family.add_metric(list(port), read(counter))
    return family

"""Metrics under kube-proxy's names, and our own per service. Numbers are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from netproxy.dataplane.counters import Counters
from netproxy.modes import Mode
from netproxy.services import PortName

_BUCKETS = tuple(0.001 * 2**step for step in range(15))
"""kube-proxy's own: 1 ms doubled up to 16 s."""
_LABELS = ("namespace", "service", "port")


class ProxyMetrics:
    """The registry of one proxy."""

    def __init__(self, mode: Mode) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
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
        self.registry.register(_ModeCollector(mode))


class _ModeCollector(Collector):
    """Reads the counters of the mode."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode

    def collect(self) -> Iterator[Metric]:
        counters = self._mode.counters()
        for kind, name, text, read in _FIGURES:
            family = kind(name, text, labels=_LABELS)
            for labels, value in _summed(counters, read):
                family.add_metric(list(labels), value)
            yield family
        picks = CounterMetricFamily("netproxy_picks", "Picks of an endpoint", labels=[*_LABELS, "endpoint"])
        for port_name, counter in counters.items():
            for (address, port), count in list(counter.picks.items()):
                # The scope is a label here only: the halves of a service may pick the same endpoint.
                endpoint = f"{address}:{port}{'/' * bool(port_name.scope)}{port_name.scope}"
                picks.add_metric([*port_name[:3], endpoint], count)
        yield picks
        yield CounterMetricFamily(
            "netproxy_accept_pauses", "Times descriptors ran out and accepting paused", value=self._mode.accept_pauses
        )
        yield CounterMetricFamily("netproxy_faults", "Unexpected errors contained", value=self._mode.faults)


_FIGURES: tuple[tuple[Any, str, str, Callable[[Counters], int]], ...] = (
    (CounterMetricFamily, "netproxy_connections", "Connections and UDP flows begun", lambda c: c.accepted),
    (CounterMetricFamily, "netproxy_refused", "Clients no endpoint answered", lambda c: c.refused),
    (CounterMetricFamily, "netproxy_failed_dials", "Endpoints that refused or were silent", lambda c: c.failed_dials),
    (GaugeMetricFamily, "netproxy_active_connections", "Connections and UDP flows now", lambda c: c.active),
)


def _summed(
    counters: Mapping[PortName, Counters], read: Callable[[Counters], int]
) -> Iterator[tuple[tuple[str, str, str], int]]:
    """One figure of each service port; the halves of a service count together."""
    found: dict[tuple[str, str, str], int] = {}
    for name, counter in counters.items():
        labels = (name.namespace, name.service, name.port)
        found[labels] = found.get(labels, 0) + read(counter)
    return iter(found.items())

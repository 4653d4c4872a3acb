"""Metrics under kube-proxy's names, and our own per service. Numbers are read when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from client.showing import show
from netproxy.changes import Changes
from netproxy.dataplane.counters import Counters
from netproxy.modes import Mode
from netproxy.services import PortName

_BUCKETS = tuple(0.001 * 2**step for step in range(15))
"""kube-proxy's own: 1 ms doubled up to 16 s."""
_PROGRAMMING_BUCKETS = (0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 301, 30))
"""kube-proxy's own."""
MAX_PICKS = 20_000
"""Endpoints told of one by one; beyond, only the figures by service tell of them."""
_LABELS = ("namespace", "service", "port")


class ProxyMetrics:
    """The registry of one proxy."""

    def __init__(self, mode: Mode, changes: Changes) -> None:
        self.registry = CollectorRegistry()
        show(self.registry)
        ProcessCollector(registry=self.registry)
        self.sync_duration = Histogram(
            "kubeproxy_sync_proxy_rules_duration_seconds",
            "SyncProxyRules latency in seconds",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.last_sync = Gauge(
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
            "The last time proxy rules were successfully synced",
            registry=self.registry,
        )
        self.programming = Histogram(
            "kubeproxy_network_programming_duration_seconds",
            "In Cluster Network Programming Latency in seconds",
            buckets=_PROGRAMMING_BUCKETS,
            registry=self.registry,
        )
        self.rule_failures = Counter(
            "kubeproxy_sync_proxy_rules_iptables_restore_failures",
            "Cumulative proxy iptables restore failures",
            registry=self.registry,
        )
        self.failures = Gauge(
            "netproxy_sync_failures_in_row", "Passes that failed since the last good one", registry=self.registry
        )
        self.registry.register(_ModeCollector(mode))
        self.registry.register(_ChangesCollector(changes))

    def synced(self, duration_s: float) -> None:
        """A pass went well and took so long."""
        self.failures.set(0)
        self.last_sync.set_to_current_time()
        self.sync_duration.observe(duration_s)

    def programmed(self, triggered: Iterable[float]) -> None:
        """What happened at these times (seconds since 1970) is served now."""
        now = time.time()
        for when in triggered:
            self.programming.observe(max(0.0, now - when))


class _ChangesCollector(Collector):
    """Reads how much was told, and how much of it is not served yet."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def collect(self) -> Iterator[Metric]:
        told, pending = self._changes.told(), self._changes.pending()
        for what, text, total, waiting in (
            ("service", "Service", told.services, pending.services),
            ("endpoint", "Endpoint", told.endpoints, pending.endpoints),
        ):
            name = f"kubeproxy_sync_proxy_rules_{what}_changes"
            yield CounterMetricFamily(name, f"Cumulative proxy rules {text} changes", value=total)
            yield GaugeMetricFamily(f"{name}_pending", f"Pending proxy rules {text} changes", value=waiting)
        yield GaugeMetricFamily(
            "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
            "The last time a sync of proxy rules was queued",
            value=self._changes.last_queued,
        )


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
        for port_name, counter in _within(counters, MAX_PICKS):
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
    (CounterMetricFamily, "netproxy_received_bytes", "Bytes clients said", lambda c: c.received.count),
    (CounterMetricFamily, "netproxy_sent_bytes", "Bytes endpoints said to clients", lambda c: c.sent.count),
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


def _within(counters: Mapping[PortName, Counters], limit: int) -> Iterator[tuple[PortName, Counters]]:
    """The service ports in their order, as long as all their endpoints stay within the limit."""
    for name, counter in sorted(counters.items()):
        limit -= len(counter.picks)
        if limit < 0:
            return
        yield name, counter

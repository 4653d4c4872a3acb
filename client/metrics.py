"""What every daemon tells of itself: its build, and how its requests to the API server went. Names are client-go's.

The counters are this process's; a daemon shows them where it shows its own: ``show(registry)``. What an `HttpPort`
gives for /metrics is ``exposition(registry)``.
"""

from collections.abc import Iterator
from http import HTTPStatus

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from client.build import HELP, build_labels
from client.httpport import Answer
from client.transport import RequestObserver

_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_REQUESTS = Counter(
    "rest_client_requests",
    "Number of HTTP requests, partitioned by status code, method, and host.",
    ("code", "method", "host"),
    registry=None,
)
_LATENCY = Histogram(
    "rest_client_request_duration_seconds",
    "Request latency in seconds. Broken down by verb, and host.",
    ("verb", "host"),
    buckets=_BUCKETS,
    registry=None,
)


class RequestMetrics(RequestObserver):
    """Counts a client's requests."""

    def requested(self, method: str, host: str, code: str, took_s: float) -> None:
        _REQUESTS.labels(code, method, host).inc()
        _LATENCY.labels(method, host).observe(took_s)


class BuildInfo(Collector):
    """``kubernetes_build_info``: which version this is, with the value 1."""

    def collect(self) -> Iterator[Metric]:
        labels = build_labels()
        family = GaugeMetricFamily("kubernetes_build_info", HELP, labels=list(labels))
        family.add_metric(list(labels.values()), 1)
        yield family


def show(registry: CollectorRegistry) -> None:
    """Adds them to what this registry shows; without the series of creation times that nobody reads."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry.register(BuildInfo())
    registry.register(_REQUESTS)
    registry.register(_LATENCY)


def exposition(registry: CollectorRegistry) -> Answer:
    """All that this registry tells now, in Prometheus' text format."""
    return Answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)

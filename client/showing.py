"""Shows a daemon's meters in a registry of prometheus_client. Loaded where somebody asks for them."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from client.build import HELP, build_labels
from client.httpport import Answer
from client.meters import Meters
from client.metrics import REQUESTS


class BuildInfo(Collector):
    """``kubernetes_build_info``: which version this is, with the value 1."""

    def collect(self) -> Iterator[Metric]:
        labels = build_labels()
        family = GaugeMetricFamily("kubernetes_build_info", HELP, labels=list(labels))
        family.add_metric(list(labels.values()), 1)
        yield family


class MetersShown(Collector):
    """The families of some meters."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        for family in self._meters.counts:
            kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            shown = kind(family.name, family.text, labels=family.names)
            for values, count in family.series:
                shown.add_metric(values, count.value)
            if shown.samples:
                yield shown
        for histogram, bounds in self._meters.distributions:
            told = HistogramMetricFamily(histogram.name, histogram.text, labels=histogram.names)
            for values, distribution in histogram.series:
                counts, total = distribution.seen
                told.add_metric(values, _cumulated(bounds, counts), total)
            if told.samples:
                yield told


def _cumulated(bounds: Sequence[float], counts: list[int]) -> list[tuple[str, float]]:
    named = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return list(zip(named, accumulate(counts), strict=True))


def show(registry: CollectorRegistry, *meters: Meters) -> None:
    """Adds these, the build and the requests to what a registry shows; without the series of creation times that nobody
    reads."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry.register(BuildInfo())
    for each in (REQUESTS, *meters):
        registry.register(MetersShown(each))


def exposition(registry: CollectorRegistry) -> Answer:
    """All that this registry tells now, in Prometheus' text format."""
    return Answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)

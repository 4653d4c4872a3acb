"""What is told of services is bounded."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from netproxy import metrics
from netproxy.changes import Changes
from netproxy.config import Config
from netproxy.dataplane.counters import Counters
from netproxy.kernel.mode import Kernel
from netproxy.metrics import ProxyMetrics
from netproxy.services import PortName


class Counting(Kernel):
    """A mode that has counted these."""

    def __init__(self, counters: dict[PortName, Counters]) -> None:
        super().__init__(Config())
        self._counters = counters

    def counters(self) -> dict[PortName, Counters]:
        return self._counters


def test_endpoints_beyond_the_limit_are_told_of_by_service_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_PICKS", 3)
    found: dict[PortName, Counters] = {}
    for name, endpoints in (("a", 2), ("b", 2), ("c", 1)):
        counters = found[PortName("default", name, "http")] = Counters()
        for number in range(endpoints):
            counters.picked((f"10.244.0.{number}", 80))
        counters.accepted = endpoints
    text = generate_latest(ProxyMetrics(Counting(found), Changes(lambda: None)).registry).decode()
    assert text.count("netproxy_picks_total{") == 2
    assert 'netproxy_connections_total{namespace="default",port="http",service="b"} 2.0' in text
    assert 'netproxy_connections_total{namespace="default",port="http",service="c"} 1.0' in text

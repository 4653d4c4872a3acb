"""What every daemon counts: how its requests to the API server went. Names are client-go's.

The meters are this process's; a daemon shows them where it shows its own (`client.showing`).
"""

from client.meters import Meters
from client.transport import RequestObserver

REQUESTS = Meters()
_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_COUNT = REQUESTS.counter(
    "rest_client_requests",
    "Number of HTTP requests, partitioned by status code, method, and host.",
    ("code", "method", "host"),
)
_LATENCY = REQUESTS.histogram(
    "rest_client_request_duration_seconds",
    "Request latency in seconds. Broken down by verb, and host.",
    ("verb", "host"),
    buckets=_BUCKETS,
)


class RequestMetrics(RequestObserver):
    """Counts a client's requests."""

    def requested(self, method: str, host: str, code: str, took_s: float) -> None:
        _COUNT.labels(code, method, host).inc()
        _LATENCY.labels(method, host).observe(took_s)

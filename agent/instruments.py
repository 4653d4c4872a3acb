"""What the agent measures of itself as it works; names and labels are the kubelet's, which dashboards know."""

import re
import time

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

# Method and path of a call to Docker, and the kubelet's word for it.
_OPERATIONS = [
    (method, re.compile(rf"(?:/v[\d.]+)?{path}"), operation)
    for method, path, operation in (
        ("POST", "/containers/create", "create_container"),
        ("POST", "/containers/[^/]+/start", "start_container"),
        ("POST", "/containers/[^/]+/kill", "stop_container"),
        ("DELETE", "/containers/[^/]+", "remove_container"),
        ("GET", "/containers/json", "list_containers"),
        ("GET", "/containers/[^/]+/json", "inspect_container"),
        ("POST", "/containers/[^/]+/exec", "create_exec"),
        ("GET", "/exec/[^/]+/json", "inspect_exec"),
        ("GET", "/images/json", "list_images"),
        ("GET", "/images/.+/json", "inspect_image"),
        ("POST", "/images/create", "pull_image"),
        ("DELETE", "/images/.+", "remove_image"),
        ("GET", "/(?:version|info|_ping)", "version"),
    )
]


def operation_of(method: str, path: str) -> str:
    """Empty for a call that is not counted (the event stream, networks)."""
    return next((word for verb, form, word in _OPERATIONS if verb == method and form.fullmatch(path)), "")


class Instruments:
    """Counters and histograms of one agent. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._operations = Counter(
            "kubelet_runtime_operations", "Calls to Docker.", ["operation_type"], registry=registry
        )
        self._errors = Counter(
            "kubelet_runtime_operations_errors", "Calls that Docker refused.", ["operation_type"], registry=registry
        )
        self._duration = Histogram(
            "kubelet_runtime_operations_duration_seconds", "How long Docker took to answer.", ["operation_type"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._work = Histogram(
            "kubelet_pod_worker_duration_seconds", "How long one look at a pod took.", ["operation_type"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._start = Histogram(
            "kubelet_pod_start_duration_seconds", "From the first sight of a pod until its containers ran.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._relist = Histogram(
            "kubelet_pleg_relist_duration_seconds", "How long a full look at Docker took.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip

        self._interval = Histogram(
            "kubelet_pleg_relist_interval_seconds", "Between the ends of two full looks at Docker.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._relisted_at: float | None = None

    def docker_answered(self, method: str, path: str, *, status: int, took_s: float) -> None:
        operation = operation_of(method, path)
        if not operation:
            return
        self._operations.labels(operation).inc()
        self._duration.labels(operation).observe(took_s)
        if status >= 500:
            self._errors.labels(operation).inc()

    def pod_synced(self, took_s: float) -> None:
        self._work.labels("sync").observe(took_s)

    def pod_started(self, took_s: float) -> None:
        self._start.observe(took_s)

    def relisted(self, took_s: float) -> None:
        self._relist.observe(took_s)
        now = time.monotonic()
        if self._relisted_at is not None:
            self._interval.observe(now - self._relisted_at)
        self._relisted_at = now

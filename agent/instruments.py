"""What the agent measures of itself as it works; names and labels are the kubelet's, which dashboards know."""

import re
import time
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STORAGE_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 25.0, 50.0, 120.0, 300.0, 600.0)  # Kubernetes' own

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
        counter = partial(Counter, registry=registry)
        timed = partial(Histogram, buckets=_SECONDS, registry=registry)
        of_type, of_volume = ("operation_type",), ("volume_plugin", "operation_name")
        self._operations = counter(
            "kubelet_runtime_operations", "Cumulative number of runtime operations by operation type.", of_type
        )
        self._errors = counter(
            "kubelet_runtime_operations_errors",
            "Cumulative number of runtime operation errors by operation type.",
            of_type,
        )
        self._duration = timed(
            "kubelet_runtime_operations_duration_seconds",
            "Duration in seconds of runtime operations. Broken down by operation type.",
            of_type,
        )
        self._work = timed(
            "kubelet_pod_worker_duration_seconds",
            "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
            of_type,
        )
        self._start = timed(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
        )
        self._relist = timed("kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG.")
        self._interval = timed("kubelet_pleg_relist_interval_seconds", "Interval in seconds between relisting in PLEG.")
        self._cgroups = timed(
            "kubelet_cgroup_manager_duration_seconds",
            "Duration in seconds for cgroup manager operations. Broken down by method.",
            of_type,
        )
        self._storage = Histogram(
            "storage_operation_duration_seconds", "Storage operation duration", (*of_volume, "status", "migrated"),
            buckets=_STORAGE_SECONDS, registry=registry,
        )  # fmt: skip
        self._storage_errors = counter("storage_operation_errors", "Storage operation errors", of_volume)
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

    def cgroup_kept(self, operation: str, took_s: float) -> None:
        """``operation``: create, update or destroy."""
        self._cgroups.labels(operation).observe(took_s)

    def volume_made(self, plugin: str, took_s: float, well: bool) -> None:
        self._stored(plugin, "volume_mount", took_s, well=well)

    def volume_unmounted(self, directory: str, took_s: float, well: bool) -> None:
        """``directory`` is that of the plugin (kubernetes.io~nfs). What else of ours is mounted is no volume."""
        prefix, _, kind = directory.partition("~")
        if kind:
            self._stored(f"{prefix}/{kind}", "volume_unmount", took_s, well=well)

    def _stored(self, plugin: str, operation: str, took_s: float, *, well: bool) -> None:
        self._storage.labels(plugin, operation, "success" if well else "fail-unknown", "false").observe(took_s)
        if not well:
            self._storage_errors.labels(plugin, operation).inc()

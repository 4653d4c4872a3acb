"""What the controllers and the scheduler count, under Kubernetes' names: work queues and leadership; and failures.

Source: k8s.io/component-base, metrics/prometheus/workqueue and metrics/prometheus/clientgo/leaderelection.
"""

import time

from client import QueueObserver
from client.meters import Count, Meters

METERS = Meters()
_BUCKETS = tuple(10.0**power for power in range(-8, 2))
_LABELS = ("name",)

_DEPTH = METERS.gauge("workqueue_depth", "Current depth of workqueue", _LABELS)
_ADDS = METERS.counter("workqueue_adds", "Total number of adds handled by workqueue", _LABELS)
_RETRIES = METERS.counter("workqueue_retries", "Total number of retries handled by workqueue", _LABELS)
_WAITED = METERS.histogram(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested.",
    _LABELS,
    buckets=_BUCKETS,
)
_WORKED = METERS.histogram(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes.",
    _LABELS,
    buckets=_BUCKETS,
)
_UNFINISHED = METERS.gauge(
    "workqueue_unfinished_work_seconds",
    "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values "
    "indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
    _LABELS,
)
_LONGEST = METERS.gauge(
    "workqueue_longest_running_processor_seconds",
    "How many seconds has the longest running processor for workqueue been running.",
    _LABELS,
)
_LEADS = METERS.gauge(
    "leader_election_master_status",
    "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' "
    "is the string used to identify the lease. Please make sure to group by name.",
    _LABELS,
)
_FAILURES = METERS.counter("steersman_reconcile_failures", "Reconciles that failed and will be tried again", _LABELS)


class QueueMetrics(QueueObserver):
    """Of the queue ``name``."""

    def __init__(self, name: str) -> None:
        self._adds, self._depth = _ADDS.labels(name), _DEPTH.labels(name)
        self._retries, self._waited, self._worked = _RETRIES.labels(name), _WAITED.labels(name), _WORKED.labels(name)
        self._began: dict[object, float] = {}
        _UNFINISHED.labels(name).set_function(lambda: sum(self._running()))
        _LONGEST.labels(name).set_function(lambda: max(self._running(), default=0.0))

    def _running(self) -> list[float]:
        moment = time.monotonic()
        return [moment - began for began in list(self._began.values())]

    def added(self, depth: int) -> None:
        self._adds.inc()
        self._depth.set(depth)

    def taken(self, key: object, waited_s: float, depth: int) -> None:
        self._depth.set(depth)
        self._waited.observe(waited_s)
        self._began[key] = time.monotonic()

    def finished(self, key: object) -> None:
        began = self._began.pop(key, None)
        if began is not None:
            self._worked.observe(time.monotonic() - began)

    def retried(self) -> None:
        self._retries.inc()


def failures_of(name: str) -> Count:
    """Told from the start, as 0: an alert on the rate needs what it grew from."""
    return _FAILURES.labels(name)


def leads(lease: str, *, held: bool) -> None:
    _LEADS.labels(lease).set(held)

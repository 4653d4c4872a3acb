"""What the scheduler counts, under Kubernetes' names.

Source: k8s.io/kubernetes, pkg/scheduler/metrics/metrics.go.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from client.meters import Meters

METERS = Meters()
SCHEDULED, UNSCHEDULABLE, ERROR = "scheduled", "unschedulable", "error"
QUEUES = ("active", "backoff", "unschedulable", "gated")

_LABELS = ("profile", "result")
_ATTEMPT_BUCKETS = tuple(0.001 * 2.0**power for power in range(15))
_POD_BUCKETS = tuple(0.01 * 2.0**power for power in range(20))

_ATTEMPTS = METERS.counter(
    "scheduler_schedule_attempts",
    "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while "
    "'error' means an internal scheduler problem.",
    _LABELS,
)
_ATTEMPT = METERS.histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
    _LABELS,
    buckets=_ATTEMPT_BUCKETS,
)
_E2E = METERS.histogram(
    "scheduler_e2e_scheduling_duration_seconds",
    "E2e scheduling latency in seconds (scheduling algorithm + binding); the name before Kubernetes 1.23",
    _LABELS,
    buckets=_ATTEMPT_BUCKETS,
)
_ALGORITHM = METERS.histogram(
    "scheduler_scheduling_algorithm_duration_seconds",
    "Scheduling algorithm latency in seconds",
    buckets=_ATTEMPT_BUCKETS,
).labels()
_POD = METERS.histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue",
    ("attempts",),
    buckets=_POD_BUCKETS,
)
_TRIES = METERS.histogram(
    "scheduler_pod_scheduling_attempts",
    "Number of attempts to successfully schedule a pod.",
    buckets=(1, 2, 4, 8, 16),
).labels()
_VOLUMES = METERS.histogram(
    "scheduler_volume_scheduling_duration_seconds",
    "Volume scheduling stage latency (Deprecated since 1.19.0)",
    ("operation",),
    buckets=_ATTEMPT_BUCKETS,
)
_VOLUME_ERRORS = METERS.counter(
    "scheduler_volume_scheduling_stage_error", "Volume scheduling stage error count", ("operation",)
)
_PENDING = METERS.gauge("scheduler_pending_pods", "Number of pending pods, by the queue type.", ("queue",))
_CACHE = METERS.gauge(
    "scheduler_scheduler_cache_size", "Number of nodes, pods, and assumed pods in the cache.", ("type",)
)
_PREEMPTIONS = METERS.counter(
    "scheduler_preemption_attempts", "Total preemption attempts in the cluster till now"
).labels()
_VICTIMS = METERS.histogram(
    "scheduler_preemption_victims", "Number of selected preemption victims", buckets=(1, 2, 4, 8, 16, 32, 64)
).labels()


class SchedulerMetrics:
    """Of one profile."""

    def __init__(self, profile: str) -> None:
        self._by_result = {
            result: (_ATTEMPTS.labels(profile, result), _ATTEMPT.labels(profile, result), _E2E.labels(profile, result))
            for result in (SCHEDULED, UNSCHEDULABLE, ERROR)
        }

    def watch(self, pending: Callable[[], Mapping[str, int]], sizes: Mapping[str, Callable[[], int]]) -> None:
        """Asks these for numbers whenever somebody looks: pods by queue, and what is in the cache."""
        for queue in QUEUES:
            _PENDING.labels(queue).set_function(partial(_of, pending, queue))
        for kind, size in sizes.items():
            _CACHE.labels(kind).set_function(size)

    def decided(self, took_s: float) -> None:
        _ALGORITHM.observe(took_s)

    def attempted(self, result: str, took_s: float) -> None:
        count, attempt, e2e = self._by_result[result]
        count.inc()
        attempt.observe(took_s)
        e2e.observe(took_s)

    def placed(self, attempts: int, waited_s: float) -> None:
        """A pod has its node, after so many attempts and so long in the queue."""
        _POD.labels(str(min(attempts, 16))).observe(waited_s)
        _TRIES.observe(attempts)

    @contextmanager
    def volumes(self, operation: str) -> Iterator[None]:
        """The block is a stage of finding volumes: predicate, assume or bind; one that raises is an error."""
        began, errors = time.perf_counter(), _VOLUME_ERRORS.labels(operation)
        try:
            yield
        except Exception:
            errors.inc()
            raise
        finally:
            _VOLUMES.labels(operation).observe(time.perf_counter() - began)

    def preempted(self, victims: Iterable[object]) -> None:
        _PREEMPTIONS.inc()
        if count := len(list(victims)):
            _VICTIMS.observe(count)


def _of(pending: Callable[[], Mapping[str, int]], queue: str) -> float:
    return float(pending().get(queue, 0))

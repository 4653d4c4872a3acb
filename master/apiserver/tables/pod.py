"""Pods: ``1/1 Running 2 (5s ago)``. The reasons follow Kubernetes' printers (pkg/printers/internalversion,
printPod).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.core import ContainerStatus, Pod
from master.apiserver.tables.cells import NONE, age, human_duration
from master.apiserver.tables.column import AGE, NAME, Column, TableShape, wide


@dataclass(slots=True)
class _Summary:
    """What a row says of the containers."""

    reason: str
    ready: int = 0
    restarts: int = 0
    restarted_at: datetime | None = None

    def count(self, status: ContainerStatus) -> None:
        self.restarts += status.restart_count
        ended = status.last_state.terminated
        if ended is not None and ended.finished_at is not None:
            self.restarted_at = max(self.restarted_at or ended.finished_at, ended.finished_at)


def _cells(pod: Pod, now: datetime) -> list[Any]:
    sidecars = {item.name for item in pod.spec.init_containers if item.restart_policy == "Always"}
    summary = _summary(pod, sidecars)
    total = len(pod.spec.containers) + len(sidecars)
    return [
        pod.metadata.name,
        f"{summary.ready}/{total}",
        summary.reason,
        _restarts(summary, now),
        age(pod.metadata.creation_timestamp, now),
        pod.status.pod_ip or NONE,
        pod.spec.node_name or NONE,
        pod.status.nominated_node_name or NONE,
        _gates(pod),
    ]


def _summary(pod: Pod, sidecars: set[str]) -> _Summary:
    summary = _Summary(pod.status.reason or pod.status.phase)
    if any(c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in pod.status.conditions):
        summary.reason = "SchedulingGated"
    side = _Summary("")
    initializing = _initialization(pod, sidecars, summary, side)
    if not initializing or _is_true(pod, "Initialized"):
        summary.ready += side.ready
        summary.restarts, summary.restarted_at = side.restarts, side.restarted_at
        _containers(pod, summary)
    if pod.metadata.deletion_timestamp is not None:
        if pod.status.reason == "NodeLost":
            summary.reason = "Unknown"
        elif pod.status.phase not in ("Succeeded", "Failed"):
            summary.reason = "Terminating"
    return summary


def _initialization(pod: Pod, sidecars: set[str], summary: _Summary, side: _Summary) -> bool:
    """Whether init containers still run or failed; ``side`` counts those that keep running beside the others."""
    for index, status in enumerate(pod.status.init_container_statuses):
        summary.count(status)
        if status.name in sidecars:
            side.count(status)
        ended = status.state.terminated
        if ended is not None and ended.exit_code == 0:
            continue
        if status.name in sidecars and status.started:
            side.ready += status.ready
            continue
        summary.reason = _init_reason(status, index, len(pod.spec.init_containers))
        return True
    return False


def _init_reason(status: ContainerStatus, index: int, total: int) -> str:
    state = status.state
    if state.terminated is not None:
        return f"Init:{_end(state.terminated)}"
    waiting = state.waiting
    if waiting is not None and waiting.reason and waiting.reason != "PodInitializing":
        return f"Init:{waiting.reason}"
    return f"Init:{index}/{total}"


def _end(ended: Any) -> str:
    if ended.reason:
        return str(ended.reason)
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"


def _containers(pod: Pod, summary: _Summary) -> None:
    running = False
    for status in reversed(pod.status.container_statuses):
        summary.count(status)
        state = status.state
        if state.waiting is not None and state.waiting.reason:
            summary.reason = state.waiting.reason
        elif state.terminated is not None:
            summary.reason = _end(state.terminated)
        elif status.ready and state.running is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        summary.reason = "Running" if _is_true(pod, "Ready") else "NotReady"


def _is_true(pod: Pod, condition: str) -> bool:
    return any(item.type == condition and item.status == "True" for item in pod.status.conditions)


def _restarts(summary: _Summary, now: datetime) -> str:
    if not summary.restarts or summary.restarted_at is None:
        return str(summary.restarts)
    return f"{summary.restarts} ({human_duration((now - summary.restarted_at).total_seconds())} ago)"


def _gates(pod: Pod) -> str:
    gates = pod.spec.readiness_gates
    passed = sum(1 for gate in gates if _is_true(pod, gate.condition_type))
    return f"{passed}/{len(gates)}" if gates else NONE


def _conditions(pod: Pod) -> list[dict[str, str]]:
    if pod.status.phase not in ("Succeeded", "Failed"):
        return []
    ended = "successfully" if pod.status.phase == "Succeeded" else "with a failure"
    message = f"The pod has completed {ended}."
    return [{"type": "Completed", "status": "True", "reason": pod.status.phase, "message": message}]


SHAPE = TableShape(
    (
        NAME,
        Column("Ready", "How many of the containers are ready."),
        Column("Status", "Why the pod is as it is."),
        Column("Restarts", "How often its containers were started again, and when last."),
        AGE,
        wide("IP", "Address of the pod."),
        wide("Node", "Node on which it runs."),
        wide("Nominated Node", "Node on which room is being made for it."),
        wide("Readiness Gates", "How many of its readiness gates have passed."),
    ),
    _cells,
    _conditions,
)

"""Runs the probes of all containers: one thread that knows when each is due, and a small pool that runs them.

What is probed is declared anew after each look at a pod (``watch``); what is no longer declared is dropped. A verdict
that changes names the pod's uid to the listener.
"""

import heapq
import itertools
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from agent.jobs import Jobs
from agent.pods.observed import ProbeView
from agent.probes.checks import CheckResult, Target, check_probe
from agent.probes.schedule import (
    Kind,
    ProbeState,
    counts,
    failed_for_good,
    first_due_s,
    first_state,
    next_state,
    period_s,
)
from agent.runtime.docker import Docker
from agent.runtime.records import ContainerRecord
from api.core import Container, Probe

log = logging.getLogger(__name__)

Teller = Callable[[Target, str, float], None]
# Of an event: the seconds that the newest failed probe took.
PROBE_SECONDS = "probe.steersman.io/seconds"
_Key = tuple[str, Kind]
_BUSY_RETRY_S = 0.2
_WORDS = {True: "successful", False: "failed", None: "unknown"}


@dataclass(slots=True)
class _Task:
    """One probe of one container."""

    target: Target
    kind: Kind
    probe: Probe
    state: ProbeState
    due: float


class Prober:
    """``tell(target, message, took_s)`` reports a failed probe as an event; ``on_change(uid)`` is for new verdicts."""

    def __init__(self, docker: Docker, jobs: Jobs, *, on_change: Callable[[str], None], tell: Teller) -> None:
        self._docker = docker
        self._jobs = jobs
        self._on_change = on_change
        self._tell = tell
        self._changed = threading.Condition()
        self._tasks: dict[_Key, _Task] = {}
        self._heap: list[tuple[float, int, _Key]] = []
        self._serial = itertools.count()
        self._closed = False
        self._results: Counter[tuple[str, Kind, str]] = Counter()
        self._records: dict[str, ContainerRecord] = {}
        self._thread = threading.Thread(target=self._run, name="agent-prober", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def watch(self, target: Target, *, age_s: float, was_ready: bool, was_started: bool) -> None:
        """Begins the probes of a running container; nothing if they run already."""
        with self._changed:
            for kind, probe in probes_of(target.container):
                key = (target.record.id, kind)
                if key in self._tasks:
                    continue
                known = was_ready if kind is Kind.READINESS else was_started
                due = time.monotonic() + first_due_s(probe, age_s=age_s, spread=random.random())
                self._tasks[key] = _Task(target, kind, probe, first_state(kind, known=known), due)
                heapq.heappush(self._heap, (due, next(self._serial), key))
            self._changed.notify()

    def keep_only(self, uid: str, container_ids: Collection[str]) -> None:
        """Drops the probes of a pod's other containers."""
        with self._changed:
            stale = [
                key
                for key, task in self._tasks.items()
                if task.target.record.uid == uid and key[0] not in container_ids
            ]
            for key in stale:
                del self._tasks[key]
                self._forget_results(key)

    def _forget_results(self, key: _Key) -> None:
        for result in ("successful", "failed", "unknown"):
            self._results.pop((*key, result), None)
        if not any(identity == key[0] for identity, _, _ in self._results):
            self._records.pop(key[0], None)

    def results(self) -> list[tuple[ContainerRecord, Kind, str, int]]:
        """How often each probe of the containers that run now has succeeded, failed, or could not be made."""
        with self._changed:
            return [(self._records[key[0]], key[1], key[2], count) for key, count in self._results.items()]

    def view(self, container_id: str) -> ProbeView:
        """What the probes say. A container without probes is started and ready."""
        with self._changed:
            tasks = {kind: self._tasks.get((container_id, kind)) for kind in Kind}
        started, readiness = tasks[Kind.STARTUP], tasks[Kind.READINESS]
        for kind, told in ((Kind.STARTUP, "startup"), (Kind.LIVENESS, "liveness")):
            task = tasks[kind]
            if task is not None and failed_for_good(task.state, task.probe):
                because = f"Container {task.target.container.name} failed {told} probe, will be restarted"
                grace_s = task.probe.termination_grace_period_seconds
                return ProbeView(
                    started=kind is Kind.LIVENESS, ready=False, restart_because=because, restart_grace_s=grace_s
                )
        return ProbeView(started=started is None or started.state.ok, ready=readiness is None or readiness.state.ok)

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if not self._heap:
                    self._changed.wait()
                elif self._heap[0][0] > now:
                    self._changed.wait(self._heap[0][0] - now)
                else:
                    self._begin(heapq.heappop(self._heap)[2], now)

    def _begin(self, key: _Key, now: float) -> None:
        """Hands a due probe to the pool. Called with the lock held."""
        task = self._tasks.get(key)
        if task is None:
            return
        if not self._may_run(task):
            self._again(key, task, now + min(period_s(task.probe), 1.0))
        elif not self._jobs.submit(key, lambda: self._check(key, task)):
            heapq.heappush(self._heap, (now + _BUSY_RETRY_S, next(self._serial), key))

    def _may_run(self, task: _Task) -> bool:
        """Liveness and readiness wait for the startup probe; a startup probe that succeeded is over."""
        startup = self._tasks.get((task.target.record.id, Kind.STARTUP))
        started = startup is None or startup.state.ok
        return not started if task.kind is Kind.STARTUP else started

    def _again(self, key: _Key, task: _Task, due: float) -> None:
        if task.kind is Kind.STARTUP and task.state.ok:
            return
        task.due = due
        heapq.heappush(self._heap, (due, next(self._serial), key))

    def _check(self, key: _Key, task: _Task) -> None:
        late_s = time.monotonic() - task.due
        result = check_probe(self._docker, task.target, task.probe)
        changed = False
        with self._changed:
            if self._tasks.get(key) is not task:
                return
            self._records[key[0]] = task.target.record
            self._results[(*key, _WORDS[result.ok])] += 1
            if result.ok is not None and counts(task.probe, ok=result.ok, late_s=late_s):
                before, task.state = task.state, next_state(task.state, task.probe, ok=result.ok)
                changed = before.ok != task.state.ok or failed_for_good(task.state, task.probe)
            self._again(key, task, max(task.due + period_s(task.probe), time.monotonic()))
            self._changed.notify()
        self._report(task, result, late_s)
        if changed:
            self._on_change(task.target.record.uid)

    def _report(self, task: _Task, result: CheckResult, late_s: float) -> None:
        if result.ok:
            return
        if result.ok is None:
            log.warning("probe not run container=%.12s error=%s", task.target.record.id, result.message)
            return
        self._tell(task.target, f"{task.kind.value} probe failed: {result.message}", result.took_s)
        log.info(
            "probe failed pod=%s container=%s kind=%s took_s=%.3f late_s=%.3f message=%s",
            task.target.record.pod_name, task.target.container.name, task.kind.value, result.took_s, late_s,
            result.message,
        )  # fmt: skip


def probes_of(container: Container) -> list[tuple[Kind, Probe]]:
    found = (
        (Kind.STARTUP, container.startup_probe),
        (Kind.LIVENESS, container.liveness_probe),
        (Kind.READINESS, container.readiness_probe),
    )
    return [(kind, probe) for kind, probe in found if probe is not None]

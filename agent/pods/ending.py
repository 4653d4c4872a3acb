"""Carries out what a plan wants ended: hooks before and after, the stop signal, KILL, and KILL past Docker."""

import logging
import os
import signal
import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from agent.pods import clock
from agent.pods.actions import Kill, Stop, Terminate
from agent.pods.observed import Hook, Termination
from agent.pods.surroundings import Surroundings
from agent.probes.checks import Target, run_handler
from agent.runtime.failures import RuntimeFailure
from agent.runtime.records import ContainerRecord
from api.core import Container, LifecycleHandler, Pod, Service
from api.selectors import from_map

log = logging.getLogger(__name__)

# The kubelet's least time between the end of a pre-stop hook and KILL.
MIN_GRACE_S = 2.0
_FOREVER_S = 24 * 3600.0


class Ender:
    """Keeps what was asked to end, and how far hooks are. Thread-safe; forgotten with ``forget``."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._terminations: dict[str, Termination] = {}
        self._hooks: dict[str, Hook] = {}
        self._reading = clock.read()  # that all moments of terminations are counted from

    def terminations(self, reading: clock.Reading) -> dict[str, Termination]:
        """With moments that can be compared with that reading of the clock."""
        with self._lock:
            step = self._reading.step_to(reading)
            return {key: _moved(one, step) if step else one for key, one in self._terminations.items()}

    def _look_at_clock(self) -> datetime:
        """The moment that counts as now, for a caller with the lock. What is waited for moves with the clock."""
        reading = clock.read()
        if step := self._reading.step_to(reading):
            self._reading = reading
            self._terminations = {key: _moved(one, step) for key, one in self._terminations.items()}
        return reading.now

    def hooks(self) -> dict[str, Hook]:
        with self._lock:
            return dict(self._hooks)

    def forget(self, container_id: str) -> None:
        with self._lock:
            self._terminations.pop(container_id, None)
            self._hooks.pop(container_id, None)

    def terminate(self, pod: Pod | None, action: Terminate, target: Target | None) -> None:
        """Asks a container to end. Asked again with less grace, only the time until KILL gets shorter."""
        record = action.record
        with self._lock:
            now = self._look_at_clock()
            kill_at = now + timedelta(seconds=action.grace_s)
            before = self._terminations.get(record.id)
            hook = _pre_stop(target) if before is None and action.grace_s > 0 else None
            if before is not None:
                kill_at = min(kill_at, before.kill_at)
            running_hook = hook is not None or (before is not None and before.hook)
            signal_at = before.signal_at if before is not None else None
            if before is None and hook is None and pod is not None:
                signal_at = self._after_proxies_left(pod, action, now)
            self._terminations[record.id] = Termination(
                asked_at=before.asked_at if before else now,
                kill_at=kill_at,
                grace_s=action.grace_s,
                hook=running_hook and action.grace_s > 0,
                signal_at=signal_at if action.grace_s > 0 else None,
            )
        if before is None:
            log.info(
                "container is asked to end id=%.12s name=%s grace_s=%d", record.id, record.container, action.grace_s
            )
            if pod is not None:
                self._tell(pod, action)
        if action.grace_s <= 0:
            self._around.docker.kill(record.id, "SIGKILL")
        elif hook is not None and target is not None and pod is not None:
            self._begin_pre_stop(pod, target, hook, action)
        elif before is None and signal_at is not None:
            self._around.wake(record.uid)  # the next plan sets the clock
        elif before is None:
            self._around.docker.kill(record.id, record.stop_signal)

    def _after_proxies_left(self, pod: Pod, action: Terminate, now: datetime) -> datetime | None:
        """When to send the stop signal to a pod that takes requests of a service; None: at once.

        The pod's deletion is on its way to the proxies of all nodes. What still comes meanwhile is served.
        """
        held_back_s = min(self._around.config.endpoint_drain_s, action.grace_s / 2)
        if held_back_s <= 0 or not takes_requests(pod, self._around.services() or ()):
            return None
        return now + timedelta(seconds=held_back_s)

    def stop(self, action: Stop) -> None:
        """Sends the stop signal that was held back."""
        with self._lock:
            before = self._terminations.get(action.record.id)
            if before is None or before.signal_at is None:
                return
            self._terminations[action.record.id] = replace(before, signal_at=None)
        self._around.docker.kill(action.record.id, action.record.stop_signal)

    def _tell(self, pod: Pod, action: Terminate) -> None:
        container = action.record.container
        self._around.event(pod, "Normal", "Killing", action.because, container=container)

    def _begin_pre_stop(self, pod: Pod, target: Target, hook: LifecycleHandler, action: Terminate) -> None:
        def run() -> None:
            result = run_handler(self._around.docker, target, hook, timeout_s=float(action.grace_s))
            if not result.ok:
                told = f"PreStopHook failed: {result.message}"
                self._around.event(pod, "Warning", "FailedPreStopHook", told, container=target.container.name)
            self._stop_after_hook(target.record)

        if not self._around.hooks.submit(("pre-stop", target.record.id), run):
            self._stop_after_hook(target.record)

    def _stop_after_hook(self, record: ContainerRecord) -> None:
        with self._lock:
            least = self._look_at_clock() + timedelta(seconds=MIN_GRACE_S)
            before = self._terminations.get(record.id)
            if before is not None:
                self._terminations[record.id] = Termination(
                    asked_at=before.asked_at, kill_at=max(before.kill_at, least), grace_s=before.grace_s
                )
        try:
            self._around.docker.kill(record.id, record.stop_signal)
        except RuntimeFailure as error:
            log.warning("stop signal not sent, KILL follows id=%.12s error=%s", record.id, error)
        self._around.wake(record.uid)

    def kill(self, pod: Pod | None, action: Kill) -> None:
        """KILL through Docker; when Docker did not manage that in time, by process id."""
        record = action.record
        if not action.by_pid:
            self._around.docker.kill(record.id, "SIGKILL")
        elif record.pid > 1 and _is_process_of(record):
            self._kill_process(pod, record)
        else:
            # The process is gone and Docker does not know: all that is left is to have the record removed.
            log.warning("docker still has a container whose process is gone id=%.12s", record.id)
            self._around.docker.remove(record.id)
            self._around.cache.drop(record.id)

    def _kill_process(self, pod: Pod | None, record: ContainerRecord) -> None:
        log.warning("docker did not end a container, killing its process id=%.12s pid=%d", record.id, record.pid)
        if pod is not None:
            told = f"Container {record.container} did not end on KILL through Docker, killing process {record.pid}"
            self._around.event(pod, "Warning", "FailedKillPod", told, container=record.container)
        os.kill(record.pid, signal.SIGKILL)

    def begin_post_start(self, pod: Pod, target: Target) -> None:
        """Runs a container's post-start hook in the background; the container is not started before it has ended."""
        lifecycle = target.container.lifecycle
        if lifecycle is None or lifecycle.post_start is None:
            return
        handler = lifecycle.post_start
        with self._lock:
            self._hooks[target.record.id] = Hook.RUNNING

        def run() -> None:
            result = run_handler(self._around.docker, target, handler, timeout_s=_FOREVER_S)
            if not result.ok:
                told = f"PostStartHook failed: {result.message}"
                self._around.event(pod, "Warning", "FailedPostStartHook", told, container=target.container.name)
            with self._lock:
                if target.record.id in self._hooks:
                    self._hooks[target.record.id] = Hook.DONE if result.ok else Hook.FAILED
            self._around.wake(target.record.uid)

        if not self._around.hooks.submit(("post-start", target.record.id), run):
            with self._lock:
                self._hooks[target.record.id] = Hook.FAILED


def _moved(one: Termination, step: timedelta) -> Termination:
    """The same waits after the clock was put."""
    signal_at = one.signal_at and one.signal_at + step
    return replace(one, asked_at=one.asked_at + step, kill_at=one.kill_at + step, signal_at=signal_at)


def _pre_stop(target: Target | None) -> LifecycleHandler | None:
    if target is None or target.container.lifecycle is None:
        return None
    return target.container.lifecycle.pre_stop


def _is_process_of(record: ContainerRecord) -> bool:
    """Whether the process id still belongs to this container: ids are used again."""
    try:
        return record.id in Path(f"/proc/{record.pid}/cgroup").read_text()
    except OSError:
        return False


def takes_requests(pod: Pod, services: Iterable[Service]) -> bool:
    """Whether the pod is being deleted, was ready at last and stands behind a service."""
    ready = any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)
    if not ready or pod.metadata.deletion_timestamp is None:
        return False
    return any(
        service.spec.selector
        and service.metadata.namespace == pod.metadata.namespace
        and from_map(service.spec.selector).matches(pod.metadata.labels)
        for service in services
    )


def container_of(pod: Pod, name: str) -> Container | None:
    return next((c for c in all_containers(pod) if c.name == name), None)


def all_containers(pod: Pod) -> list[Container]:
    """Init, ordinary and ephemeral ones."""
    return [*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers]

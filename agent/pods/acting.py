"""Carries out what was planned for one pod."""

import logging
from datetime import datetime

from agent.pods.actions import (
    Action,
    Clean,
    CreateSandbox,
    Kill,
    Plan,
    Remove,
    StartContainer,
    Stop,
    Terminate,
)
from agent.pods.ending import Ender
from agent.pods.looking import Looker
from agent.pods.memory import Memory
from agent.pods.observed import SANDBOX, Failure, Observed
from agent.pods.reporter import Reporter
from agent.pods.starting import Starter
from agent.pods.surroundings import Surroundings
from agent.probes.checks import Target
from agent.runtime.failures import RuntimeRefusal
from agent.runtime.records import ContainerRecord, State
from agent.volumes import remove_tree
from api.core import Pod
from client import WorkQueue

log = logging.getLogger(__name__)


class Actor:
    """Used by all workers at once, for different pods. A pod that must be looked at later goes to the queue."""

    def __init__(
        self, around: Surroundings, starter: Starter, ender: Ender, looker: Looker, reporter: Reporter,
        queue: WorkQueue[str],
    ) -> None:  # fmt: skip
        self._around = around
        self._starter = starter
        self._ender = ender
        self._looker = looker
        self._reporter = reporter
        self._queue = queue

    def act(self, pod: Pod | None, observed: Observed, todo: Plan, memory: Memory, *, now: datetime) -> bool:
        """Carries the actions out; whether things have changed so that it is worth planning again at once."""
        changed = False
        for action in todo.actions:
            changed |= self._carry_out(pod, observed, action, memory, now)
        return changed

    def _carry_out(self, pod: Pod | None, observed: Observed, action: Action, memory: Memory, now: datetime) -> bool:
        match action:
            case Terminate():
                target = self._looker.target(pod, observed, action.record) if pod is not None else None
                self._ender.terminate(pod, action, target)
                return False
            case Stop():
                self._ender.stop(action)
                return False
            case Kill():
                self._ender.kill(pod, action)
                return False
            case Remove():
                return self._remove(action.record)
            case CreateSandbox() if pod is not None:
                return self._create_sandbox(pod, observed, action, memory, now)
            case StartContainer() if pod is not None:
                return self._start(pod, observed, action, memory, now)
            case Clean():
                return self._clean(pod)
        return False

    def _remove(self, record: ContainerRecord) -> bool:
        try:
            self._around.docker.remove(record.id)
        except RuntimeRefusal as error:
            if not (record.is_sandbox and error.in_use):
                raise
            if record.running:
                self._around.docker.kill(record.id, "SIGKILL")
            return False  # it goes with the last of those that are in it
        self._around.cache.drop(record.id)
        self._ender.forget(record.id)
        if not record.is_sandbox:
            self._around.links.remove(record)
        log.info("container removed id=%.12s name=%s pod=%s", record.id, record.container, record.pod_name)
        return True

    def _create_sandbox(
        self, pod: Pod, observed: Observed, action: CreateSandbox, memory: Memory, now: datetime
    ) -> bool:
        if action.attempt:
            told = "Pod sandbox changed, it will be killed and re-created."
            self._around.event(pod, "Normal", "SandboxChanged", told)
        failure = self._starter.create_sandbox(pod, observed, attempt=action.attempt, now=now)
        if failure is not None:
            memory.failures[SANDBOX] = failure
            self._queue.add_after(pod.metadata.uid, (failure.retry_at - now).total_seconds())
            return False
        memory.failures.pop(SANDBOX, None)
        return True

    def _start(self, pod: Pod, observed: Observed, action: StartContainer, memory: Memory, now: datetime) -> bool:
        name = action.container.name
        memory.pulling.add(name)  # before: a pull can end while it is begun
        result = self._starter.start_container(pod, action, observed, now)
        if result is not False:
            memory.pulling.discard(name)
        if isinstance(result, Failure):
            self._queue.add_after(pod.metadata.uid, max((result.retry_at - now).total_seconds(), 0.05))
            repeated = memory.failures.get(name)
            memory.failures[name] = result
            return repeated is None or repeated.reason != result.reason
        if result is False:
            memory.failures.pop(name, None)
            return False
        memory.failures.pop(name, None)
        self._begin_post_start(pod, action)
        return True

    def _begin_post_start(self, pod: Pod, action: StartContainer) -> None:
        for record in self._around.cache.of_pod(pod.metadata.uid):
            current = record.container == action.container.name and record.attempt == action.attempt
            if current and record.state is State.RUNNING:
                sandbox = self._around.cache.get(record.sandbox_id)
                ip = self._around.host_ip if pod.spec.host_network else (sandbox.ip if sandbox else "")
                self._ender.begin_post_start(pod, Target(record, action.container, ip))

    def _clean(self, pod: Pod | None) -> bool:
        """The directory, then the API; an orphan's directory is removed where it is forgotten."""
        if pod is None:
            return False
        uid = pod.metadata.uid
        self._around.cgroups.forget(uid)
        if remove_tree(self._around.pod_directory(uid), self._around.instruments.volume_unmounted):
            self._reporter.delete(pod)
        else:
            self._queue.add_after(uid, 10.0)
        return False

"""Brings pods from what they are to what is wanted: a small crew of threads, one pod at a time in each.

Every source only adds a pod's uid to the queue. A round observes, reports, plans and acts; rounds go on while they get
somewhere. What fails is tried again with a back-off, for this pod only; what hangs holds up this pod only.
"""

import dataclasses
import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.crew import Crew
from agent.pods import clock
from agent.pods.ending import Ender, container_of
from agent.pods.manifests import is_static
from agent.pods.memory import Memory, previous_status, told_before
from agent.pods.observed import SANDBOX, BackoffRules, Failure, Leaving, Observed
from agent.pods.plan import (
    Action,
    Clean,
    CreateSandbox,
    Kill,
    Plan,
    Remove,
    StartContainer,
    Stop,
    Terminate,
    plan,
    plan_orphan,
)
from agent.pods.reporter import Reporter
from agent.pods.starting import Starter, message_path
from agent.pods.status import status_of
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.probes.checks import Target
from agent.probes.prober import Prober
from agent.runtime.failures import RuntimeFailure, RuntimeRefusal
from agent.runtime.logs import last_output
from agent.runtime.records import ContainerRecord, State
from agent.volumes import refreshable, remove_tree
from api.core import Pod, PodStatus
from client import WorkQueue

log = logging.getLogger(__name__)

_MAX_ROUNDS = 50
_MESSAGE_BYTES, _FALLBACK_BYTES, _FALLBACK_LINES = 4096, 2048, 80
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull")


class Worker:
    """Owns the threads, the queue and the memory of all pods."""

    def __init__(
        self, around: Surroundings, store: PodStore, reporter: Reporter, prober: Prober, queue: WorkQueue[str]
    ) -> None:
        self._around = around
        self._store = store
        self._reporter = reporter
        self._prober = prober
        self._queue = queue
        self._starter = Starter(around)
        self._ender = Ender(around)
        self._memories: dict[str, Memory] = {}
        self._lock = threading.Lock()
        self._unblocked: dict[str, set[str]] = {}
        self._leaving: dict[str, Leaving] = {}
        self.refuses: Callable[[Pod], bool] = lambda _: False
        config = around.config
        self._rules = BackoffRules(
            base_s=config.restart_base_s, cap_s=config.restart_cap_s, reset_s=config.restart_reset_s
        )
        self._crew = Crew("worker", threads=config.workers, take=queue.get, work=self._sync_guarded)

    def start(self) -> None:
        self._crew.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Lets each worker end its action under way; containers stay."""
        self._queue.close()
        self._crew.join(timeout_s)

    def images_changed(self) -> None:
        """An image has appeared, or a pull has ended: pods that wait for either look again at once."""
        self._unblock(lambda _, failure: failure.reason in _IMAGE_REASONS)
        with self._lock:
            waiting = [uid for uid, memory in self._memories.items() if memory.pulling]
        for uid in waiting:
            self._queue.add(uid)

    def evict(self, pod: Pod, message: str) -> None:
        """The pod ends at once, and stays in the API as Failed."""
        self._around.event(pod, "Warning", "Evicted", message)
        self.leave(pod, Leaving(reason="Evicted", message=message))

    def leave(self, pod: Pod, leaving: Leaving) -> None:
        """The pod ends, and stays in the API as Failed. The first reason holds."""
        with self._lock:
            self._leaving.setdefault(pod.metadata.uid, leaving)
        self._queue.add(pod.metadata.uid)

    def network_changed(self) -> None:
        """The pod network has come: sandboxes that failed are tried again at once."""
        self._unblock(lambda name, _: name == SANDBOX)

    def _unblock(self, concerns: Callable[[str, Failure], bool]) -> None:
        """Only noted here: the memory of a pod is touched by its worker alone."""
        with self._lock:
            memories = list(self._memories.items())
        for uid, memory in memories:
            names = {name for name, failure in list(memory.failures.items()) if concerns(name, failure)}
            if names:
                with self._lock:
                    self._unblocked.setdefault(uid, set()).update(names)
                self._queue.add(uid)

    def status(self, uid: str) -> PodStatus | None:
        """The status as it was computed last."""
        memory = self._memories.get(uid)
        return memory.status if memory is not None else None

    @property
    def hung(self) -> int:
        """Pods whose work has been waiting for something longer than usual."""
        return self._crew.hung

    def _sync_guarded(self, uid: str) -> None:
        began = time.monotonic()
        try:
            self._sync(uid)
            self._queue.forget(uid)
        except RuntimeFailure as error:
            delay_s = self._queue.retry(uid)
            log.warning("pod not synced uid=%s error=%s retry_s=%.1f", uid, error, delay_s)
            pod = self._store.get(uid)
            if pod is not None:
                self._around.event(pod, "Warning", "FailedSync", f"error determining status: {error}")
        except Exception:
            log.exception("pod failed uid=%s retry_s=%.1f", uid, self._queue.retry(uid))
        finally:
            self._around.instruments.pod_synced(time.monotonic() - began)
            self._queue.done(uid)

    def _sync(self, uid: str) -> None:
        pod = self._store.get(uid)
        if pod is None:
            self._sync_orphan(uid)
            return
        memory = self._memory(uid)
        self._accept(pod, memory)
        if memory.leaving is None and self.refuses(pod):
            memory = self._memory(uid)
        self._refresh_volumes(pod, memory)
        for _ in range(_MAX_ROUNDS):
            pod = self._store.get(uid) or pod
            now = clock.now()
            observed = self._observe(pod, memory)
            self._watch_probes(pod, observed, now)
            observed = self._observe(pod, memory)
            self._report(pod, observed, memory, now)
            todo = plan(pod, observed, now)
            if not self._act(pod, observed, todo, memory, now=now):
                self._wake(uid, todo, now)
                return
        self._queue.add_after(uid, 1.0)

    def _memory(self, uid: str) -> Memory:
        with self._lock:
            memory = self._memories.setdefault(uid, Memory())
            memory.follow_clock()
            memory.leaving = memory.leaving or self._leaving.pop(uid, None)
            for name in self._unblocked.pop(uid, ()):
                failure = memory.failures.get(name)
                if failure is not None:
                    memory.failures[name] = dataclasses.replace(failure, retry_at=_LONG_AGO)
        return memory

    def _accept(self, pod: Pod, memory: Memory) -> None:
        if is_static(pod):
            return  # its file is in its folder
        if memory.saved_version == pod.metadata.resource_version or pod.metadata.deletion_timestamp is not None:
            return
        try:
            self._store.save(pod)
            memory.saved_version = pod.metadata.resource_version
        except OSError as error:
            # A full disk: the next agent may not know this pod while the master is away, but now it is looked after.
            log.warning("pod not stored uid=%s error=%s", pod.metadata.uid, error)
            self._around.event(pod, "Warning", "FailedSync", f"error storing the pod: {error}")

    def _sync_orphan(self, uid: str) -> None:
        """Containers or a directory without a pod. Only the API's own list makes a pod an orphan."""
        if not self._store.is_gone(uid):
            return
        for _ in range(_MAX_ROUNDS):
            now = clock.now()
            records = self._around.cache.of_pod(uid)
            self._prober.keep_only(uid, ())
            observed = Observed(records=records, gone=True, terminations=self._ender.terminations())
            todo = plan_orphan(observed, now)
            if not self._act(None, observed, todo, Memory(), now=now):
                self._wake(uid, todo, now)
                break
        if not self._around.cache.of_pod(uid):
            self._around.cgroups.forget(uid)
            if remove_tree(self._around.pod_directory(uid)):
                self._forget(uid)

    def _refresh_volumes(self, pod: Pod, memory: Memory) -> None:
        """Now and then, and at once when labels or annotations have changed (downward API files show them)."""
        sandbox = next((r for r in self._around.cache.of_pod(pod.metadata.uid) if r.is_sandbox and r.running), None)
        if sandbox is None or pod.metadata.deletion_timestamp is not None or not refreshable(pod):
            return
        now = clock.now()
        meta = (pod.metadata.labels, pod.metadata.annotations)
        period_s = self._around.config.volume_refresh_s
        if memory.refresh_at is not None and (now >= memory.refresh_at or meta != memory.refreshed_meta):
            self._starter.refresh(pod, sandbox, now)
            memory.refresh_at = None
        if memory.refresh_at is None:
            wait_s = period_s * random.uniform(0.9, 1.1)
            memory.refresh_at = now + timedelta(seconds=wait_s)
            memory.refreshed_meta = meta
            self._queue.add_after(pod.metadata.uid, wait_s + 0.01)

    def _forget(self, uid: str) -> None:
        self._starter.forget(uid)
        self._reporter.forget(uid)
        with self._lock:
            self._memories.pop(uid, None)
            self._unblocked.pop(uid, None)
            self._leaving.pop(uid, None)

    def _wake(self, uid: str, todo: Plan, now: datetime) -> None:
        if todo.wake_at is not None:
            self._queue.add_after(uid, max((todo.wake_at - now).total_seconds(), 0.01))

    # Looking.

    def _observe(self, pod: Pod, memory: Memory) -> Observed:
        records = self._around.cache.of_pod(pod.metadata.uid)
        for record in records:
            if record.ended and record.id not in memory.messages:
                memory.messages[record.id] = self._last_words(pod, record)
        ids = {record.id for record in records}
        memory.messages = {key: text for key, text in memory.messages.items() if key in ids}
        return Observed(
            records=records,
            failures=dict(memory.failures),
            terminations={k: v for k, v in self._ender.terminations().items() if k in ids},
            probes={record.id: self._prober.view(record.id) for record in records if record.running},
            hooks={k: v for k, v in self._ender.hooks().items() if k in ids},
            messages=dict(memory.messages),
            previous=previous_status(self._store.mirror_of(pod) or pod if is_static(pod) else pod, memory),
            host_ip=self._around.host_ip,
            rules=self._rules,
            leaving=memory.leaving,
        )

    def _last_words(self, pod: Pod, record: ContainerRecord) -> str:
        """The termination message; the end of the log instead, if the container wants that and failed silently."""
        path = message_path(self._around.pod_directory(record.uid), record.container, record.attempt)
        try:
            with path.open("rb") as file:
                text = file.read(_MESSAGE_BYTES).decode(errors="replace")
        except OSError:
            text = ""
        container = container_of(pod, record.container)
        wants_log = container is not None and container.termination_message_policy == "FallbackToLogsOnError"
        if text or not wants_log or record.exit_code == 0 or not record.log_path:
            return text
        return last_output(Path(record.log_path), limit_bytes=_FALLBACK_BYTES, limit_lines=_FALLBACK_LINES)

    def _watch_probes(self, pod: Pod, observed: Observed, now: datetime) -> None:
        running = [
            record for record in observed.containers if record.running and pod.metadata.deletion_timestamp is None
        ]
        self._prober.keep_only(pod.metadata.uid, {record.id for record in running})
        for record in running:
            target = self._target(pod, observed, record)
            if target is None or record.id in observed.terminations:
                continue
            told = told_before(self._store.mirror_of(pod) or pod if is_static(pod) else pod, record)
            age_s = max((now - (record.started_at or now)).total_seconds(), 0.0)  # or the clock was put back
            self._prober.watch(target, age_s=age_s, was_ready=told[0], was_started=told[1])

    def _target(self, pod: Pod, observed: Observed, record: ContainerRecord) -> Target | None:
        container = container_of(pod, record.container)
        if container is None:
            return None
        sandbox = observed.sandbox
        ip = self._around.host_ip if pod.spec.host_network else (sandbox.ip if sandbox is not None else "")
        return Target(record, container, ip)

    def _report(self, pod: Pod, observed: Observed, memory: Memory, now: datetime) -> None:
        status = status_of(pod, observed, now)
        if memory.status != status:
            log.debug("status pod=%s/%s phase=%s", pod.metadata.namespace, pod.metadata.name, status.phase)
        if not memory.started and status.phase == "Running":
            memory.started = True
            if memory.seen_pending:
                self._around.instruments.pod_started(time.monotonic() - memory.seen_s)
        memory.seen_pending |= status.phase == "Pending"
        memory.status = status
        told = self._store.mirror_of(pod) if is_static(pod) else pod
        if told is not None:
            self._reporter.report(told, status)

    # Acting.

    def _act(self, pod: Pod | None, observed: Observed, todo: Plan, memory: Memory, *, now: datetime) -> bool:
        """Carries the actions out; whether things have changed so that it is worth planning again at once."""
        changed = False
        for action in todo.actions:
            changed |= self._carry_out(pod, observed, action, memory, now)
        return changed

    def _carry_out(self, pod: Pod | None, observed: Observed, action: Action, memory: Memory, now: datetime) -> bool:
        match action:
            case Terminate():
                target = self._target(pod, observed, action.record) if pod is not None else None
                self._ender.terminate(pod, action, target, now)
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
        if remove_tree(self._around.pod_directory(uid)):
            self._reporter.delete(pod)
        else:
            self._queue.add_after(uid, 10.0)
        return False

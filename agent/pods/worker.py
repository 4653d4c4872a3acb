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

from agent.crew import Crew
from agent.pods.acting import Actor
from agent.pods.actions import Plan
from agent.pods.container_status import pod_id
from agent.pods.ending import Ender, all_containers
from agent.pods.looking import Looker
from agent.pods.manifests import is_static
from agent.pods.memory import Memory
from agent.pods.observed import SANDBOX, Failure, Leaving, Observed
from agent.pods.plan import plan, plan_orphan
from agent.pods.reporter import Reporter
from agent.pods.starting import Starter
from agent.pods.status import entered_back_off, status_of
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.probes.prober import Prober
from agent.runtime.failures import RuntimeFailure
from agent.volumes import refreshable, remove_tree
from api.core import Pod, PodStatus
from client import WorkQueue

log = logging.getLogger(__name__)

_MAX_ROUNDS = 50
_WAIT_S = 0.2  # between looks whether the room for a critical pod is free
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
        self._looker = Looker(around, store, prober, self._ender)
        self._actor = Actor(around, self._starter, self._ender, self._looker, reporter, queue)
        self._memories: dict[str, Memory] = {}
        self._lock = threading.Lock()
        self._unblocked: dict[str, set[str]] = {}
        self._leaving: dict[str, Leaving] = {}
        self.refuses: Callable[[Pod], bool] = lambda _: False
        self.waits: Callable[[Pod], bool] = lambda _: False
        self._crew = Crew("worker", threads=around.config.workers, take=queue.get, work=self._sync_guarded)

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

    def tell_pulling(self, image: str, progress: str) -> None:
        """How far the pull of an image is, to all pods that wait for it."""
        with self._lock:
            waiting = [(uid, set(memory.pulling)) for uid, memory in self._memories.items() if memory.pulling]
        for uid, names in waiting:
            pod = self._store.get(uid)
            for container in all_containers(pod) if pod is not None else ():
                if pod is not None and container.name in names and container.image == image:
                    told = f'Pulling image "{image}": {progress}'
                    self._around.event(pod, "Normal", "Pulling", told, container=container.name)

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
        if memory.leaving is None and self.waits(pod):
            self._queue.add_after(uid, _WAIT_S)
            return
        self._refresh_volumes(pod, memory)
        for _ in range(_MAX_ROUNDS):
            pod = self._store.get(uid) or pod
            now = memory.look_at_clock()
            observed = self._looker.observe(pod, memory)
            self._looker.watch_probes(pod, observed, now)
            observed = self._looker.observe(pod, memory)
            self._report(pod, observed, memory, now)
            todo = plan(pod, observed, now)
            if not self._actor.act(pod, observed, todo, memory, now=now):
                self._wake(uid, todo, now)
                return
        self._queue.add_after(uid, 1.0)

    def _memory(self, uid: str) -> Memory:
        with self._lock:
            memory = self._memories.setdefault(uid, Memory())
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
        memory = Memory()
        for _ in range(_MAX_ROUNDS):
            now = memory.look_at_clock()
            records = self._around.cache.of_pod(uid)
            self._prober.keep_only(uid, ())
            observed = Observed(records=records, gone=True, terminations=self._ender.terminations(memory.reading))
            todo = plan_orphan(observed, now)
            if not self._actor.act(None, observed, todo, memory, now=now):
                self._wake(uid, todo, now)
                break
        if not self._around.cache.of_pod(uid):
            self._around.cgroups.forget(uid)
            if remove_tree(self._around.pod_directory(uid), self._around.instruments.volume_unmounted):
                self._forget(uid)

    def _refresh_volumes(self, pod: Pod, memory: Memory) -> None:
        """Now and then, and at once when labels or annotations have changed (downward API files show them)."""
        sandbox = next((r for r in self._around.cache.of_pod(pod.metadata.uid) if r.is_sandbox and r.running), None)
        if sandbox is None or pod.metadata.deletion_timestamp is not None or not refreshable(pod):
            return
        now = memory.look_at_clock()
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

    def _report(self, pod: Pod, observed: Observed, memory: Memory, now: datetime) -> None:
        status = status_of(pod, observed, now)
        if memory.status != status:
            log.debug("status pod=%s/%s phase=%s", pod.metadata.namespace, pod.metadata.name, status.phase)
        if not memory.started and status.phase == "Running":
            memory.started = True
            if memory.seen_pending:
                self._around.instruments.pod_started(time.monotonic() - memory.seen_s)
        memory.seen_pending |= status.phase == "Pending"
        for name in entered_back_off(memory.status, status):
            message = f"Back-off restarting failed container {name} in pod {pod_id(pod)}"
            self._around.event(pod, "Warning", "BackOff", message, container=name)
        memory.status = status
        told = self._store.mirror_of(pod) if is_static(pod) else pod
        if told is not None:
            self._reporter.report(told, status)

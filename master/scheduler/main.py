"""Runs the scheduler: one queue, one decision at a time, on a picture of the cluster that counts what was just
bound."""

import logging
import threading

from api.core import Node, Pod
from api.errors import ApiError, Conflict, NotFound
from api.scalars import now
from client import Client, EventRecorder, Informer, Unreachable, WorkQueue
from master.scheduler.cluster import Cluster
from master.scheduler.config import Config
from master.scheduler.decision import Choice, choose

log = logging.getLogger(__name__)

Key = tuple[str, str]
_AGAIN_S = 60.0


class Scheduler:
    """Pods wait in the queue; one that fits nowhere waits until something about the cluster changes."""

    def __init__(self, client: Client, recorder: EventRecorder, scheduler_name: str) -> None:
        self._client = client
        self._recorder = recorder
        self._scheduler_name = scheduler_name
        self._cluster = Cluster()
        self._lock = threading.Lock()
        self._unfit: set[Key] = set()
        self._turn = 0
        self._queue: WorkQueue[Key] = WorkQueue()
        self.nodes = Informer(client, Node, on_change=self._node_changed)
        self.pods = Informer(client, Pod, on_change=self._pod_changed)
        self._thread = threading.Thread(target=self._work, name="scheduler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._queue.close()
        if self._thread.ident is not None:
            self._thread.join(5)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        with self._lock:
            if new is not None:
                self._cluster.set_node(new)
                if old is None:
                    for pod in self.pods.items():
                        self._place(pod)
            elif old is not None:
                self._cluster.remove_node(old.metadata.name, self.pods.items())
        if new is not None and (old is None or _room(old) != _room(new)):
            self._wake()

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        with self._lock:
            if new is not None:
                self._place(new)
            elif old is not None:
                self._cluster.remove(old.metadata.uid)
        if new is not None and self._is_waiting(new):
            # Its status is what a refusal changes: that is no reason to try again.
            if old is None or (old.spec, old.metadata.labels) != (new.spec, new.metadata.labels):
                self._queue.add((new.metadata.namespace, new.metadata.name))
        elif old is not None and old.spec.node_name and (new is None or _ended(new)) and not _ended(old):
            # Room has become free.
            self._wake()

    def _place(self, pod: Pod) -> None:
        if _ended(pod):
            self._cluster.remove(pod.metadata.uid)
        elif pod.spec.node_name:
            self._cluster.place(pod, pod.spec.node_name)

    def _is_waiting(self, pod: Pod) -> bool:
        mine = pod.spec.scheduler_name in ("", self._scheduler_name)
        return mine and not pod.spec.node_name and not _ended(pod) and pod.metadata.deletion_timestamp is None

    def _wake(self) -> None:
        with self._lock:
            unfit, self._unfit = self._unfit, set()
        for key in unfit:
            self._queue.add(key)

    def _work(self) -> None:
        while (key := self._queue.get()) is not None:
            try:
                self._schedule(key)
            except Exception:
                # The door of this thread: one odd pod must not stop all others.
                log.exception("scheduling broke pod=%s/%s", *key)
                self._queue.retry(key)
            finally:
                self._queue.done(key)

    def _schedule(self, key: Key) -> None:
        pod = self.pods.get(*key)
        if pod is None or not self._is_waiting(pod):
            return
        with self._lock:
            if self._cluster.is_placed(pod.metadata.uid):
                # Bound a moment ago; the watch has not shown it yet.
                return
            self._turn += 1
            choice = choose(pod, self._cluster.nodes.values(), turn=self._turn)
            if choice.node:
                self._cluster.place(pod, choice.node)
            else:
                self._unfit.add(key)
        try:
            if choice.node:
                self._bind(pod, choice.node)
            else:
                self._refuse(pod, choice)
                self._queue.add_after(key, _AGAIN_S)
            self._queue.forget(key)
        except (ApiError, Unreachable) as error:
            delay_s = self._queue.retry(key)
            log.warning("pod not placed pod=%s/%s error=%s retry_s=%.2f", *key, error, delay_s)

    def _bind(self, pod: Pod, node: str) -> None:
        name, namespace = pod.metadata.name, pod.metadata.namespace
        try:
            self._client.bind(name, namespace, node, uid=pod.metadata.uid)
        except (Conflict, NotFound):
            # Bound by another, or gone: the watch tells which.
            with self._lock:
                self._cluster.remove(pod.metadata.uid)
            return
        except (ApiError, Unreachable):
            with self._lock:
                self._cluster.remove(pod.metadata.uid)
            raise
        said = f"Successfully assigned {namespace}/{name} to {node}"
        self._recorder.event(pod, "Normal", "Scheduled", said)
        log.info("pod placed pod=%s/%s node=%s", namespace, name, node)

    def _refuse(self, pod: Pod, choice: Choice) -> None:
        self._recorder.event(pod, "Warning", "FailedScheduling", choice.reason)
        before = next((item for item in pod.status.conditions if item.type == "PodScheduled"), None)
        if before is not None and (before.status, before.message) == ("False", choice.reason):
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated" if pod.spec.scheduling_gates else "Unschedulable",
            "message": choice.reason,
            "lastTransitionTime": now(),
        }
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        self._client.patch(Pod, pod.metadata.name, pod.metadata.namespace, patch, subresource="status")


def _ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _room(node: Node) -> tuple[object, ...]:
    """All of a node that scheduling depends on: heartbeats are not."""
    ready = next((item.status for item in node.status.conditions if item.type == "Ready"), "")
    return node.metadata.labels, node.spec, node.status.allocatable, ready


def run(config: Config, stop: threading.Event) -> None:
    """Schedules until ``stop`` is set."""
    client = Client.from_kubeconfig(config.kubeconfig, user_agent="steersman-scheduler")
    recorder = EventRecorder(client, config.scheduler_name)
    scheduler = Scheduler(client, recorder, config.scheduler_name)
    informers = (scheduler.nodes, scheduler.pods)
    for informer in informers:
        informer.start()
    try:
        while not all(informer.wait_synced(0.5) for informer in informers):
            if stop.is_set():
                return
        log.info("scheduler started name=%s", config.scheduler_name)
        scheduler.start()
        stop.wait()
    finally:
        scheduler.stop()
        for informer in informers:
            informer.stop()
        recorder.close()
        client.close()

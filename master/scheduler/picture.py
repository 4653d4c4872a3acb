"""Keeps the picture of the cluster as the watches show it, and tells the queue what may help a waiting pod."""

import logging
import threading
from collections.abc import Callable

from api.claiming import foreign
from api.core import Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodStatus
from api.meta import ObjectMeta
from api.policy import PodDisruptionBudget
from api.storage import StorageClass
from client import Client, Informer
from master.scheduler.budgets import Budget, budgets_of
from master.scheduler.change import Change
from master.scheduler.cluster import Cluster
from master.scheduler.configuration import DEFAULT_NAME
from master.scheduler.queueing import SchedulingQueue
from master.scheduler.volumes import NO_VOLUMES, Volumes, volumes_of
from master.scheduler.wish import Wish

log = logging.getLogger(__name__)
_ENDED = ("Succeeded", "Failed")


class Picture:
    """``lock`` guards the cluster. ``assumed``: UIDs of pods that were bound, and that the watch does not show so yet.

    ``gated`` is told of a pod that waits behind a scheduling gate.
    """

    def __init__(
        self,
        client: Client,
        cluster: Cluster,
        queue: SchedulingQueue,
        *,
        scheduler_names: frozenset[str],
        gated: Callable[[Pod], None],
    ) -> None:
        self.lock = threading.Lock()
        self.assumed: set[str] = set()
        self._cluster = cluster
        self._queue = queue
        self._scheduler_names = scheduler_names
        self._gated = gated
        self.nodes = Informer(client, Node, on_change=self._node_changed)
        # As Kubernetes' scheduler asks for them: those that have ended take no room.
        self.pods = Informer(
            client,
            Pod,
            fields="status.phase!=Succeeded,status.phase!=Failed",
            on_change=self._pod_changed,
            keep=kept,
        )
        self.namespaces = Informer(client, Namespace, on_change=self._namespace_changed)
        self.claims = Informer(client, PersistentVolumeClaim, on_change=self._volume_changed)
        self.volumes = Informer(client, PersistentVolume, on_change=self._volume_changed)
        self.classes = Informer(client, StorageClass, on_change=self._volume_changed, optional=True)
        # Kubernetes before 1.21 has them in a beta version only.
        self._budgets = Informer(client, PodDisruptionBudget, optional=True)
        self.informers = (
            self.namespaces,
            self.nodes,
            self.claims,
            self.volumes,
            self.classes,
            self._budgets,
            self.pods,
        )

    def waiting(self, namespace: str, name: str, uid: str) -> Pod | None:
        """The pod, if it still waits for this scheduler to place it."""
        pod = self.pods.get(namespace, name)
        if pod is None or pod.metadata.uid != uid or uid in self.assumed or not self._is_waiting(pod):
            return None
        return pod

    def assume(self, wish: Wish) -> None:
        """The pod has been bound to where it is counted. Until the watch shows it, it does not wait."""
        with self.lock:
            shown = self.pods.get(wish.namespace, wish.name)
            if shown is not None and shown.metadata.uid == wish.uid and not shown.spec.node_name:
                self.assumed.add(wish.uid)

    def gated_pods(self) -> int:
        """How many wait behind a scheduling gate."""
        return sum(bool(pod.spec.scheduling_gates) and self._is_waiting(pod) for pod in self.pods.items())

    def budgets(self) -> tuple[Budget, ...]:
        return budgets_of(self._budgets.items())

    def volumes_of(self, wish: Wish) -> Volumes:
        claims = wish.shape.claims
        if not claims:
            return NO_VOLUMES
        if problem := self._own_claims_problem(wish):
            return Volumes(problem=problem)
        return volumes_of(
            wish.namespace,
            claims,
            self.claims.get,
            lambda name: self.volumes.get("", name),
            lambda name: self.classes.get("", name),
            self.volumes.items,
        )

    def _own_claims_problem(self, wish: Wish) -> str:
        """Why claims that are made for this pod alone are not there; the sentences are Kubernetes'."""
        for name in sorted(wish.shape.own_claims):
            claim = self.claims.get(wish.namespace, name)
            if claim is None:
                return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            if wrong := foreign(claim, wish.namespace, wish.name, wish.uid):
                return wrong
        return ""

    def _is_waiting(self, pod: Pod) -> bool:
        mine = (pod.spec.scheduler_name or DEFAULT_NAME) in self._scheduler_names
        return mine and not pod.spec.node_name and not _ended(pod) and pod.metadata.deletion_timestamp is None

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None and _facts(old) == _facts(new):
            return
        with self.lock:
            if new is not None:
                self._cluster.set_node(new)
            elif old is not None:
                self._cluster.remove_node(old.metadata.name)
        # A node that goes can help too: a domain less to spread over.
        self._queue.happened(Change.NODE)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is None or _ended(new):
            if old is not None:
                self._gone(old)
        elif new.spec.node_name:
            self._placed(old, new)
        elif not self._is_waiting(new):
            self._queue.remove((new.metadata.namespace, new.metadata.name))
        elif old is None or (old.spec, old.metadata.labels) != (new.spec, new.metadata.labels):
            # Its status is what a refusal changes: that is no reason to try again.
            self._wait(new)

    def _wait(self, pod: Pod) -> None:
        if pod.spec.scheduling_gates:
            self._gated(pod)
            return
        if pod.status.nominated_node_name:
            with self.lock:
                if not self._cluster.nominated_to(pod.metadata.uid):
                    self._cluster.nominate(Wish.of(pod), pod.status.nominated_node_name)
        self._queue.add((pod.metadata.namespace, pod.metadata.name), pod.metadata.uid, pod.spec.priority or 0)

    def _gone(self, old: Pod) -> None:
        uid = old.metadata.uid
        with self.lock:
            had_room = bool(self._cluster.node_of(uid) or self._cluster.nominated_to(uid))
            self._cluster.remove(uid)
            self.assumed.discard(uid)
        self._queue.remove((old.metadata.namespace, old.metadata.name))
        if had_room:
            self._queue.happened(Change.POD_GONE)

    def _placed(self, old: Pod | None, new: Pod) -> None:
        uid, node = new.metadata.uid, new.spec.node_name
        with self.lock:
            self.assumed.discard(uid)
            known = self._cluster.wish_of(uid)
            resized = old is not None and bool(old.spec.node_name) and old.spec != new.spec
            is_new = known is None or self._cluster.node_of(uid) != node or known.labels != new.metadata.labels
            leaving = new.metadata.deletion_timestamp is not None
            if known is None or is_new or resized or known.deleting != leaving:
                self._cluster.place(Wish.of(new), node)
            elif new.status.start_time is not None:
                known.started = new.status.start_time
        if old is None or not old.spec.node_name:
            self._queue.remove((new.metadata.namespace, new.metadata.name))
        if is_new or old is None or not old.spec.node_name:
            self._queue.happened(Change.POD_PLACED)
        if resized or leaving:
            self._queue.happened(Change.POD_GONE)

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        named = new or old
        if named is None or (old is not None and new is not None and old.metadata.labels == new.metadata.labels):
            return
        with self.lock:
            self._cluster.tallies.set_space(named.metadata.name, new.metadata.labels if new is not None else None)
        self._queue.happened(Change.NAMESPACE)

    def _volume_changed(self, _old: object, _new: object) -> None:
        self._queue.happened(Change.VOLUME)


def kept(pod: Pod) -> Pod:
    """All of a pod that scheduling reads: of its metadata and status that is little, and of its own for each pod."""
    meta, status = pod.metadata, pod.status
    pod.metadata = ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resource_version=meta.resource_version,
        labels=meta.labels,
        owner_references=meta.owner_references,
        deletion_timestamp=meta.deletion_timestamp,
    )
    pod.status = PodStatus(
        phase=status.phase,
        conditions=[item for item in status.conditions if item.type == "PodScheduled" and item.status == "False"],
        nominated_node_name=status.nominated_node_name,
        start_time=status.start_time,
    )
    return pod


def _ended(pod: Pod) -> bool:
    return pod.status.phase in _ENDED


def _facts(node: Node) -> tuple[object, ...]:
    """All of a node that scheduling depends on: heartbeats are not."""
    states = [(item.type, item.status) for item in node.status.conditions]
    return node.metadata.labels, node.spec, node.status.allocatable, states, node.status.images

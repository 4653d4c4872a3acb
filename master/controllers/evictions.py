"""Taint eviction: a pod leaves a node with a ``NoExecute`` taint once it has borne it as long as it says it will.

Time counts from when this controller saw the taint, by its own clock. For a node's silence nothing is evicted until
all nodes could have been heard for a whole grace period without a gap, and the API server itself has confirmed the
taint: who was away himself must not punish others for it.
"""

from dataclasses import dataclass

from api.core import Node, Pod, Taint
from api.errors import NotFound
from api.tolerations import seconds_tolerated
from client import Client, EventRecorder
from client.clock import Clock, boot_time
from master.controllers.heartbeats import Attention
from master.controllers.informers import BY_NODE, Informers
from master.controllers.loop import Key, Loop
from master.controllers.pods import tell_end
from master.controllers.taints import drives_away, is_given_up

_WHY = "Taint manager: deleting due to NoExecute taint"


@dataclass(frozen=True, slots=True)
class _Borne:
    """Since when a pod bears which taints."""

    uid: str
    taints: frozenset[tuple[str, str]]
    since: float


class TaintEviction:
    """Deletes the pods, with their own grace."""

    name = "taint-eviction"

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: EventRecorder,
        attention: Attention,
        *,
        grace_s: float,
        workers: int = 1,
        clock: Clock = boot_time,
    ) -> None:
        self._client = client
        self._nodes, self._pods = informers.nodes, informers.pods
        self._recorder = recorder
        self._attention = attention
        self._grace_s = grace_s
        self._clock = clock
        self._borne: dict[Key, _Borne] = {}
        self.loop = Loop(self.name, self.reconcile, workers=workers)
        self._nodes.add_listener(self._node_changed)
        self._pods.add_listener(self._pod_changed)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        before = drives_away(old.spec.taints) if old is not None else []
        after = drives_away(new.spec.taints) if new is not None else []
        node = new or old
        if before != after and node is not None:
            for pod in self._pods.indexed(BY_NODE, node.metadata.name):
                self.loop.queue.add((pod.metadata.namespace, pod.metadata.name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        if pod is None or not pod.spec.node_name:
            return
        key = (pod.metadata.namespace, pod.metadata.name)
        node = self._nodes.get("", pod.spec.node_name)
        if key in self._borne or (node is not None and drives_away(node.spec.taints)):
            self.loop.queue.add(key)

    def reconcile(self, key: Key) -> str:
        pod = self._pods.get(*key)
        node = self._nodes.get("", pod.spec.node_name) if pod is not None and pod.spec.node_name else None
        if pod is None or node is None or pod.metadata.deletion_timestamp is not None:
            self._borne.pop(key, None)
            return ""
        taints = drives_away(node.spec.taints)
        left_s = self._left_s(key, pod, taints)
        if left_s is None:
            return ""
        if is_given_up(taints):
            left_s = max(left_s, self._grace_s - self._attention.steady_s())
        if left_s > 0:
            self.loop.queue.add_after(key, left_s)
            return ""
        return self._evict(pod) if self._is_confirmed(pod) else ""

    def _left_s(self, key: Key, pod: Pod, taints: list[Taint]) -> float | None:
        """Seconds that the pod may still stay; None for ever."""
        bears_s = seconds_tolerated(pod.spec.tolerations, taints)
        if bears_s is None:
            if self._borne.pop(key, None) is not None:
                self._recorder.event(pod, "Normal", "TaintManagerEviction", _said("Cancelling deletion of Pod", key))
            return None
        marks = frozenset((taint.key, taint.value) for taint in taints)
        borne = self._borne.get(key)
        if borne is None or borne.uid != pod.metadata.uid or not borne.taints & marks:
            borne = self._borne[key] = _Borne(pod.metadata.uid, marks, self._clock())
        return borne.since + bears_s - self._clock()

    def _is_confirmed(self, pod: Pod) -> bool:
        """Whether the API server too says that the pod must go. If not, the watch will tell what has changed."""
        try:
            node = self._client.get(Node, pod.spec.node_name)
        except NotFound:
            return False
        return seconds_tolerated(pod.spec.tolerations, drives_away(node.spec.taints)) is not None

    def _evict(self, pod: Pod) -> str:
        meta = pod.metadata
        key = meta.namespace, meta.name
        try:
            tell_end(self._client, pod, reason="DeletionByTaintManager", message=_WHY)
            self._client.delete(Pod, meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            return ""
        self._recorder.event(pod, "Normal", "TaintManagerEviction", _said("Marking for deletion Pod", key))
        return f"evicted from {pod.spec.node_name}"


def _said(what: str, key: Key) -> str:
    return f"{what} {key[0]}/{key[1]}"

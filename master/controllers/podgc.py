"""Pod garbage collector: removes pods that nobody else will.

Those are pods of nodes that do not exist any more, pods on their way out whose node is out of service or was never
given, and the oldest of those that have ended, evicted ones first, when there are more than
``terminated-pod-gc-threshold``.
"""

from api.core import Node, Pod
from api.errors import NotFound
from client import Client
from master.controllers.informers import BY_NODE, Informers
from master.controllers.loop import Key, Loop
from master.controllers.pods import has_ended, tell_end
from master.controllers.taints import OUT_OF_SERVICE, away

_NODE, _POD = "node", "pod"
_ENDED: Key = ("ended", "")
_GATHER_S = 5.0


class PodGarbageCollector:
    """Keys of its queue: ("node", name), ("pod", namespace/name) and ("ended", "")."""

    name = "podgc"

    def __init__(self, client: Client, informers: Informers, *, threshold: int) -> None:
        """``threshold``: how many pods that have ended are kept; 0 for all."""
        self._client = client
        self._nodes, self._pods = informers.nodes, informers.pods
        self._threshold = threshold
        self.loop = Loop(self.name, self.reconcile)
        self._nodes.add_listener(self._node_changed)
        self._pods.add_listener(self._pod_changed)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        node = new or old
        if node is not None and (new is None or _is_out_of_service(new)):
            self.loop.queue.add((_NODE, node.metadata.name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            return
        if self._threshold and _has_ended(new) and (old is None or not _has_ended(old)):
            self.loop.queue.add_after(_ENDED, _GATHER_S)
        if new.spec.node_name:
            node = self._nodes.get("", new.spec.node_name)
            # While the node is known, its own going will be told.
            if node is None or _is_out_of_service(node):
                self.loop.queue.add((_NODE, new.spec.node_name))
        elif new.metadata.deletion_timestamp is not None:
            self.loop.queue.add((_POD, f"{new.metadata.namespace}/{new.metadata.name}"))

    def reconcile(self, key: Key) -> str:
        if key == _ENDED:
            return self._forget_ended()
        if key[0] == _POD:
            namespace, _, name = key[1].partition("/")
            pod = self._pods.get(namespace, name)
            stuck = pod is not None and not pod.spec.node_name and pod.metadata.deletion_timestamp is not None
            return self._remove([pod], "that never had a node") if pod is not None and stuck else ""
        return self._clear_node(key[1])

    def _clear_node(self, name: str) -> str:
        pods = self._pods.indexed(BY_NODE, name)
        if not pods:
            return ""
        try:
            node = self._client.get(Node, name)
        except NotFound:
            return self._remove(pods, "of a node that is gone", why="PodGC: node no longer exists")
        if not _is_out_of_service(node):
            return ""
        going = [pod for pod in pods if pod.metadata.deletion_timestamp is not None]
        return self._remove(going, "of a node that is out of service")

    def _forget_ended(self) -> str:
        ended = [pod for pod in self._pods.items() if _has_ended(pod)]
        surplus = len(ended) - self._threshold
        if surplus <= 0:
            return ""
        ended.sort(
            key=lambda pod: (pod.status.reason != "Evicted", str(pod.metadata.creation_timestamp), pod.metadata.name)
        )
        return self._remove(ended[:surplus], "that ended long ago")

    def _remove(self, pods: list[Pod], what: str, *, why: str = "") -> str:
        for pod in pods:
            try:
                tell_end(self._client, pod, reason="DeletionByPodGC" if why else "", message=why, failed=True)
                self._client.delete(Pod, pod.metadata.name, pod.metadata.namespace, grace_s=0, uid=pod.metadata.uid)
            except NotFound:
                continue
        return f"removed {len(pods)} pods {what}" if pods else ""


def _has_ended(pod: Pod) -> bool:
    return has_ended(pod) and pod.metadata.deletion_timestamp is None


def _is_out_of_service(node: Node) -> bool:
    """Marked by hand as shut down for good: nothing of its pods runs any more."""
    return bool(away(node)) and any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)

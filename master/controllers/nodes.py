"""Node life cycle: says so when a node falls silent, taints nodes by their conditions, and lets lost ones go at a
measured pace.

A heartbeat is a change of the node's Lease or of its status, by this controller's own clock from the moment it saw
it: clocks of nodes need not agree. While the master is away, or this controller is, nobody can be heard: afterwards
every node has the whole grace period again, and nothing is given up before it has passed. And before a node is called
silent, the API server itself is asked.
"""

import logging
import threading
from collections.abc import Sequence

from api.coordination import Lease
from api.core import Node, Pod
from api.errors import ApiError, Conflict, NotFound
from api.scalars import now
from client import Client, EventRecorder, Unreachable
from client.clock import boot_time
from master.controllers.config import Config
from master.controllers.heartbeats import Attention, Heartbeats, sign, unknown_conditions
from master.controllers.informers import BY_NODE, NODE_LEASES, Informers
from master.controllers.loop import Key, Loop
from master.controllers.pods import condition
from master.controllers.taints import away, is_given_up, wanted
from master.controllers.zones import Limits, Zones, zone_of

log = logging.getLogger(__name__)


class NodeController:
    """Its loop keeps taints as the conditions say; a thread of its own looks at the heartbeats, since silence makes no
    event."""

    name = "node"

    def __init__(
        self, client: Client, informers: Informers, recorder: EventRecorder, config: Config, attention: Attention
    ) -> None:
        self._client = client
        self._nodes = informers.nodes
        self._leases = informers.leases
        self._pods = informers.pods
        self._recorder = recorder
        self._period_s = config.node_monitor_period_s
        self._grace_s = config.node_monitor_grace_period_s
        self._heartbeats, self._asked = Heartbeats(), Heartbeats()
        self._attention = attention
        limits = Limits(
            rate=config.node_eviction_rate,
            secondary_rate=config.secondary_node_eviction_rate,
            unhealthy_share=config.unhealthy_zone_threshold,
            large_zone=config.large_cluster_size_threshold,
        )
        self._zones = Zones(limits, boot_time)
        self._known: dict[str, Node] = {}
        self._stopping = threading.Event()
        self._monitor = threading.Thread(target=self._watch_heartbeats, name="node-monitor", daemon=True)
        self.loop = Loop(self.name, self.reconcile)
        self._nodes.add_listener(self._node_changed)

    def _node_changed(self, _old: Node | None, new: Node | None) -> None:
        if new is not None and wanted(new, give_up=False, spare=self._zones.stopped, moment=now()) is not None:
            self.loop.queue.add(("", new.metadata.name))

    def start(self) -> None:
        self._monitor.start()

    @property
    def alive(self) -> bool:
        return self._monitor.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        if self._monitor.ident is not None:
            self._monitor.join(5)

    def reconcile(self, key: Key) -> str:
        node = self._nodes.get(*key)
        return self._taint(node, give_up=False) if node is not None else ""

    def _taint(self, node: Node, *, give_up: bool) -> str:
        taints = wanted(node, give_up=give_up, spare=self._zones.stopped, moment=now())
        if taints is None:
            return ""
        guard = {"uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version}
        try:
            self._client.patch(
                Node, node.metadata.name, "", {"metadata": guard, "spec": {"taints": taints}}, form="merge"
            )
        except NotFound:
            return ""
        return "tainted: " + (", ".join(f"{taint.key}:{taint.effect}" for taint in taints) or "nothing")

    # The monitor.

    def _watch_heartbeats(self) -> None:
        while not self._stopping.wait(self._period_s):
            try:
                self._look()
            except Exception:
                # The door of this thread: one odd node must not end the watch over all others.
                log.exception("nodes not judged")

    def _look(self) -> None:
        if not (self._nodes.following and self._leases.following):
            self._forget()
            return
        if not self._attention.look():
            log.warning("nodes not judged, this process was held up")
            self._forget()
            return
        try:
            self._round(self._nodes.items())
        except Unreachable as error:
            log.warning("nodes not judged, no answer error=%s", error)
            self._forget()

    def _forget(self) -> None:
        self._attention.lose()
        self._heartbeats.forget()
        self._asked.forget()

    def _round(self, nodes: Sequence[Node]) -> None:
        for heartbeats in (self._heartbeats, self._asked):
            heartbeats.keep_only(node.metadata.name for node in nodes)
        self._tell_who_comes_and_goes(nodes)
        silent = {node.metadata.name for node in nodes if self._judge(node)}
        lost = {node.metadata.name for node in nodes if away(node) or node.metadata.name in silent}
        self._pace(nodes, lost)

    def _tell_who_comes_and_goes(self, nodes: Sequence[Node]) -> None:
        there = {node.metadata.name: node for node in nodes}
        for name in there.keys() - self._known.keys():
            said = f"Node {name} event: Registered Node {name} in Controller"
            self._recorder.event(there[name], "Normal", "RegisteredNode", said)
        for name in self._known.keys() - there.keys():
            said = f"Node {name} event: Removing Node {name} from Controller"
            self._recorder.event(self._known[name], "Normal", "RemovingNode", said)
        self._known = there

    def _judge(self, node: Node) -> bool:
        """Whether the node is silent; then the cluster is told."""
        try:
            if not self._is_silent(node):
                return False
            self._tell(node)
        except NotFound:
            return False
        except ApiError as error:
            log.warning("node not judged node=%s error=%s", node.metadata.name, error)
            return False
        return True

    def _is_silent(self, node: Node) -> bool:
        name = node.metadata.name
        seen = sign(node, self._leases.get(NODE_LEASES, name))
        if self._heartbeats.silence_s(name, seen) <= self._grace_s:
            return False
        live = sign(self._client.get(Node, name), self._live_lease(name))
        # A watch may hang without being broken; then only what the API server says itself counts.
        return live == seen or self._asked.silence_s(name, live) > self._grace_s

    def _live_lease(self, name: str) -> Lease | None:
        try:
            return self._client.get(Lease, name, NODE_LEASES)
        except NotFound:
            return None

    def _tell(self, node: Node) -> None:
        name = node.metadata.name
        conditions = unknown_conditions(node)
        if conditions:
            self._client.patch(Node, name, "", {"status": {"conditions": conditions}}, subresource="status")
            self._recorder.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            log.warning("node silent node=%s", name)
        for pod in self._pods.indexed(BY_NODE, name):
            self._not_ready(pod)

    def _not_ready(self, pod: Pod) -> None:
        """Takes the pods of a silent node out of their services."""
        ready = condition(pod, "Ready")
        if ready is None or ready.status != "True":
            return
        changed = {"type": "Ready", "status": "False", "lastTransitionTime": now(), "reason": "NodeNotReady"}
        try:
            self._client.patch(
                Pod,
                pod.metadata.name,
                pod.metadata.namespace,
                {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [changed]}},
                subresource="status",
            )
        except NotFound:
            return
        self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _pace(self, nodes: Sequence[Node], lost: set[str]) -> None:
        """Gives up as many lost nodes as may be given up by now."""
        steady = self._attention.steady_s() >= self._grace_s
        begun = {node.metadata.name for node in nodes if is_given_up(node.spec.taints)}
        was_stopped = self._zones.stopped
        health = ((node.metadata.name, zone_of(node), node.metadata.name not in lost) for node in nodes)
        for zone, state in self._zones.review(health, lost - begun if steady else ()).items():
            log.warning("zone changed zone=%s state=%s", zone, state.value)
        if was_stopped != self._zones.stopped:
            log.warning("all zones are away: nothing is given up" if not was_stopped else "zones are back")
            for node in nodes:
                self.loop.queue.add(("", node.metadata.name))
        if was_stopped and not self._zones.stopped:
            # Those who are still silent may just be coming back too.
            self._forget()
            return
        for name in self._zones.take():
            self._give_up(name)

    def _give_up(self, name: str) -> None:
        """Lets the node's pods be driven away. What fails is tried again in the next round."""
        node = self._nodes.get("", name)
        if node is None or not away(node):
            return
        try:
            if said := self._taint(node, give_up=True):
                log.warning("node given up node=%s did=%r", name, said)
        except Conflict:
            log.debug("node changed meanwhile node=%s", name)
        except ApiError as error:
            log.warning("node not given up node=%s error=%s", name, error)

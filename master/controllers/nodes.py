"""Node controller: gives each node a range of pod addresses, and says so when a node falls silent.

A heartbeat is a change of the node's Lease or of its status, by this controller's own clock from the moment it saw
it: clocks of nodes need not agree. While the master is away, or this controller is, nobody can be heard: afterwards
every node has the whole grace period again. And before a node is called silent, the API server itself is asked.
"""

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from api.coordination import Lease
from api.core import Node, NodeCondition, Pod
from api.errors import ApiError, NotFound
from api.scalars import now
from client import Client, EventRecorder, Unreachable
from master.controllers.config import Config
from master.controllers.informers import BY_NODE, NODE_LEASES, Informers
from master.controllers.loop import Key, Loop
from master.controllers.pods import condition

log = logging.getLogger(__name__)

CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def free_range(cluster: str, prefix: int, taken: Collection[str]) -> str | None:
    """The first range of the given prefix length in ``cluster`` that overlaps none of the taken ones."""
    used = [network for cidr in taken if (network := _network(cidr)) is not None]
    for candidate in ipaddress.ip_network(cluster).subnets(new_prefix=prefix):
        if not any(candidate.overlaps(other) for other in used if other.version == candidate.version):
            return str(candidate)
    return None


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """None for a range that someone wrote wrongly: it must not keep other nodes from theirs."""
    try:
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        log.warning("not a range cidr=%s", cidr)
        return None


def unknown_conditions(node: Node) -> list[NodeCondition]:
    """The conditions that tell of a silent node; only those that are not Unknown yet."""
    moment = now()
    changed: list[NodeCondition] = []
    for condition_type in CONDITIONS:
        current = next((item for item in node.status.conditions if item.type == condition_type), None)
        if current is not None and current.status == "Unknown":
            continue
        reason = "NodeStatusUnknown" if current is not None else "NodeStatusNeverUpdated"
        said = "Kubelet stopped posting node status." if current is not None else "Kubelet never posted node status."
        changed.append(
            NodeCondition(
                type=condition_type,
                status="Unknown",
                last_heartbeat_time=current.last_heartbeat_time if current is not None else None,
                last_transition_time=moment,
                reason=reason,
                message=said,
            )
        )
    return changed


class Heartbeats:
    """When each node was last heard of, by the clock that is passed in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[object, float]] = {}

    def silence_s(self, node: str, sign: object) -> float:
        """Seconds since ``sign`` (whatever a heartbeat changes) was first seen for this node."""
        before = self._heard.get(node)
        if before is None or before[0] != sign:
            self._heard[node] = (sign, self._clock())
            return 0.0
        return self._clock() - before[1]

    def forget(self) -> None:
        """Every node has its whole grace period again."""
        self._heard.clear()

    def keep_only(self, nodes: Iterable[str]) -> None:
        alive = set(nodes)
        self._heard = {node: seen for node, seen in self._heard.items() if node in alive}


def _sign(node: Node, lease: Lease | None) -> tuple[object, ...]:
    """Whatever a heartbeat changes."""
    ready = next((item for item in node.status.conditions if item.type == "Ready"), None)
    beat = ready.last_heartbeat_time if ready is not None else None
    return node.metadata.uid, lease.spec.renew_time if lease is not None else None, beat


class NodeController:
    """Acts on the rules above; a thread of its own looks at the heartbeats, since silence makes no event."""

    name = "node"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder, config: Config) -> None:
        self._client = client
        self._nodes = informers.nodes
        self._leases = informers.leases
        self._pods = informers.pods
        self._recorder = recorder
        self._config = config
        self._heartbeats = Heartbeats()
        self._asked = Heartbeats()
        self._given: dict[str, str] = {}
        self._stopping = threading.Event()
        self._monitor = threading.Thread(target=self._watch_heartbeats, name="node-monitor", daemon=True)
        # One worker: ranges are given out one after the other.
        self.loop = Loop(self.name, self.reconcile, workers=1)
        self._nodes.add_listener(self._node_changed)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is not None and (old is None or not new.spec.pod_cidr):
            self.loop.queue.add(("", new.metadata.name))

    def start(self) -> None:
        self._monitor.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._monitor.ident is not None:
            self._monitor.join(5)

    def reconcile(self, key: Key) -> str:
        """Gives a node its range."""
        node = self._nodes.get(*key)
        if node is None or node.spec.pod_cidr:
            return ""
        nodes = self._nodes.items()
        names = {other.metadata.name for other in nodes}
        # Ranges that were given but are not seen through the watch yet count too.
        self._given = {name: cidr for name, cidr in self._given.items() if name in names}
        taken = {other.spec.pod_cidr for other in nodes if other.spec.pod_cidr} | set(self._given.values())
        cidr = self._given.get(key[1]) or free_range(self._config.cluster_cidr, self._config.node_cidr_mask_size, taken)
        if cidr is None:
            said = f"no free range left in {self._config.cluster_cidr}"
            self._recorder.event(node, "Warning", "CIDRNotAvailable", said)
            return said
        self._given[key[1]] = cidr
        patch = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        self._client.patch(Node, key[1], "", patch, form="merge")
        return f"gave the node {cidr}"

    def _watch_heartbeats(self) -> None:
        while not self._stopping.wait(self._config.node_monitor_period_s):
            if not (self._nodes.following and self._leases.following):
                self._forget()
                continue
            try:
                self._judge_all(self._nodes.items())
            except Unreachable as error:
                log.warning("nodes not judged, no answer error=%s", error)
                self._forget()

    def _forget(self) -> None:
        self._heartbeats.forget()
        self._asked.forget()

    def _judge_all(self, nodes: Sequence[Node]) -> None:
        for heartbeats in (self._heartbeats, self._asked):
            heartbeats.keep_only(node.metadata.name for node in nodes)
        for node in nodes:
            try:
                self._judge(node)
            except NotFound:
                continue
            except ApiError as error:
                log.warning("node not judged node=%s error=%s", node.metadata.name, error)

    def _is_silent(self, node: Node) -> bool:
        grace_s, name = self._config.node_monitor_grace_period_s, node.metadata.name
        sign = _sign(node, self._leases.get(NODE_LEASES, name))
        if self._heartbeats.silence_s(name, sign) <= grace_s:
            return False
        live = _sign(self._client.get(Node, name), self._live_lease(name))
        # A watch may hang without being broken; then only what the API server says itself counts.
        return live == sign or self._asked.silence_s(name, live) > grace_s

    def _live_lease(self, name: str) -> Lease | None:
        try:
            return self._client.get(Lease, name, NODE_LEASES)
        except NotFound:
            return None

    def _judge(self, node: Node) -> None:
        name = node.metadata.name
        if not self._is_silent(node):
            return
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

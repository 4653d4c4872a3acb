"""Keeps the Node object and its Lease: registers, reports what changed, and proves every few seconds that it is alive.

The rule: the lease is renewed by a thread of its own, so that nothing on the node that is slow can make it look dead.
A node deleted from outside is registered again.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from agent.config import Config
from agent.node.status import NodeObserved, new_node, node_labels, node_status, same_but_heartbeat
from agent.pods import clock
from api.codec import plain
from api.coordination import Lease, LeaseSpec
from api.core import Node, NodeStatus, ObjectReference
from api.errors import AlreadyExists, ApiError, NotFound
from api.meta import ObjectMeta, OwnerReference
from api.scalars import now_micro
from client import Client, EventRecorder, Unreachable

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
_LOOK_S = 10.0
_RETRY_S = 1.0

# The kubelet's words for a condition that is well, and for one that is not.
_CHANGES = {
    "Ready": ("NodeReady", "NodeNotReady"),
    "MemoryPressure": ("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
    "DiskPressure": ("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
    "PIDPressure": ("NodeHasSufficientPID", "NodeHasInsufficientPID"),
}


class NodeKeeper:
    """Two threads: status and lease. ``observe`` reads the node; ``on_node`` is told the Node as the API has it."""

    def __init__(
        self,
        config: Config,
        client: Client,
        recorder: EventRecorder,
        *,
        observe: Callable[[], NodeObserved],
        on_node: Callable[[Node], None],
    ) -> None:
        self._config = config
        self._client = client
        self._recorder = recorder
        self._observe = observe
        self._on_node = on_node
        self._stop = threading.Event()
        self._look = threading.Event()
        self._reported: NodeStatus | None = None
        self._reported_s = 0.0  # monotonic
        self._uid = ""
        self._doubted = False
        self._threads = [
            threading.Thread(target=self._keep_status, name="agent-node-status", daemon=True),
            threading.Thread(target=self._keep_lease, name="agent-node-lease", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        self._stop.set()
        self._look.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def look(self) -> None:
        """Something about the node has changed: look now, not at the next turn."""
        self._look.set()

    def event(self, event_type: str, reason: str, message: str) -> None:
        """An event about the node; its reference carries the name as uid, as the kubelet's does."""
        name = self._config.node
        reference = ObjectReference(api_version="v1", kind="Node", name=name, uid=name)
        self._recorder.event(reference, event_type, reason, message)

    # Status.

    def _keep_status(self) -> None:
        while not self._stop.is_set():
            wait_s = _LOOK_S
            self._look.clear()
            try:
                self._report()
            except (ApiError, Unreachable) as error:
                log.warning("node not reported error=%s retry_s=%.1f", error, _RETRY_S)
                wait_s = _RETRY_S
            except Exception:
                log.exception("node not looked at retry_s=%.1f", _RETRY_S)
                wait_s = _RETRY_S
            self._look.wait(wait_s)

    def _report(self) -> None:
        """Registers when needed; patches the status when it has changed, or has not been sent for a while."""
        now = clock.now()
        observed = self._observe()
        if self._reported is not None:
            status = node_status(self._config, observed, self._reported, now)
            age_s = time.monotonic() - self._reported_s
            same = same_but_heartbeat(status, self._reported) and not self._doubted
            if self._uid and same and age_s < self._config.status_s:
                return
        self._doubted = False
        node = self._node(observed, now)
        self._on_node(node)
        self._uid = node.metadata.uid
        status = node_status(self._config, observed, node.status, now)
        self._tell_changes(node.status, status)
        missing = self._missing_labels(node, observed)
        if missing:
            self._client.patch(Node, self._config.node, "", {"metadata": {"labels": missing}}, form="merge")
        # Lists are given whole in a merge patch.
        patch = {"status": plain(status)}
        self._client.patch(Node, self._config.node, "", patch, subresource="status", form="merge")
        self._reported, self._reported_s = status, time.monotonic()

    def seen(self, node: Node) -> None:
        """What the API has. Conditions that another has set (Unknown, for a node that was cut off) are set right."""
        reported = self._reported
        if reported is not None and _conditions(reported) - _conditions(node.status):
            self._doubted = True
            self._look.set()

    def forget(self) -> None:
        """The node was deleted from outside: register again."""
        self._uid = ""
        self._look.set()

    def _missing_labels(self, node: Node, observed: NodeObserved) -> dict[str, str]:
        wanted = node_labels(self._config.node, observed.machine, self._config.node_labels)
        return {key: value for key, value in wanted.items() if node.metadata.labels.get(key) != value}

    def _node(self, observed: NodeObserved, now: datetime) -> Node:
        try:
            return self._client.get(Node, self._config.node)
        except NotFound:
            if not self._config.register_node:
                raise
        try:
            node = self._client.create(new_node(self._config, observed, now))
        except AlreadyExists:
            return self._client.get(Node, self._config.node)
        log.info("node registered name=%s uid=%s", self._config.node, node.metadata.uid)
        node.status = NodeStatus()  # what it was made with is news to everyone
        return node

    def _tell_changes(self, before: NodeStatus, after: NodeStatus) -> None:
        old = {condition.type: condition.status for condition in before.conditions}
        for condition in after.conditions:
            # That a new node is not ready yet is no news; that it is under no pressure is.
            was = old.get(condition.type, condition.status if condition.type == "Ready" else "Unknown")
            # At the first look after a start not all is up yet: that is no change of the node.
            if was == condition.status or (was != "Unknown" and self._reported is None):
                continue
            good, bad = _CHANGES.get(condition.type, ("", ""))
            word = good if (condition.status == "True") == (condition.type == "Ready") else bad
            if word:
                self.event("Normal", word, f"Node {self._config.node} status is now: {word}")

    # Lease.

    def _keep_lease(self) -> None:
        interval_s = self._config.lease_s / 4
        while not self._stop.is_set():
            wait_s = interval_s
            try:
                self._renew()
            except (ApiError, Unreachable) as error:
                wait_s = min(_RETRY_S, interval_s)
                log.warning("lease not renewed error=%s retry_s=%.1f", error, wait_s)
            self._stop.wait(wait_s)

    def _renew(self) -> None:
        name = self._config.node
        patch = {
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": self._config.lease_s,
                "renewTime": now_micro().wire(),
            }
        }
        try:
            self._client.patch(Lease, name, LEASE_NAMESPACE, patch, form="merge")
        except NotFound:
            self._client.create(self._new_lease(name))

    def _new_lease(self, name: str) -> Lease:
        owners = [OwnerReference(api_version="v1", kind="Node", name=name, uid=self._uid)] if self._uid else []
        spec = LeaseSpec(holder_identity=name, lease_duration_seconds=self._config.lease_s, renew_time=now_micro())
        return Lease(metadata=ObjectMeta(name=name, namespace=LEASE_NAMESPACE, owner_references=owners), spec=spec)


def _conditions(status: NodeStatus) -> set[tuple[str, str]]:
    return {(condition.type, condition.status) for condition in status.conditions}

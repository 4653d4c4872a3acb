"""Nodes without containers: all that a node's agent says to the master, from threads, over the real API.

A hollow node registers, renews its lease, gives its pods addresses of its range, calls them running and ready, and
lets them go when they are deleted. It can be frozen (nothing of it moves), cut off (it lives, but no word gets
through), killed and started again.
"""

import ipaddress
import threading
from pathlib import Path
from typing import Any

from api.coordination import Lease
from api.core import Node, Pod
from api.errors import AlreadyExists, ApiError, Conflict, NotFound
from api.meta import ObjectMeta
from api.scalars import now, now_micro
from client import Client, Informer, Unreachable, WorkQueue
from client.transport import Transport

BEAT_S = 0.2
LEASES = "kube-node-lease"
Key = tuple[str, str]


class _Line(Transport):
    """A connection that can be cut."""

    cut = False

    def _asked(self, *arguments: Any, **named: Any) -> Any:
        if self.cut:
            raise Unreachable("the line is cut")
        return super()._asked(*arguments, **named)


class HollowNode:
    """One node; ``labels`` are its own."""

    def __init__(self, kubeconfig: Path, name: str, *, labels: dict[str, str] | None = None, pods: int = 110) -> None:
        self.name = name
        self._labels, self._room = labels or {}, pods
        self._client = Client.from_kubeconfig(kubeconfig, user_agent=f"hollow-{name}")
        self._client.transport.__class__ = _Line
        self._addresses: dict[str, str] = {}
        self._lock = threading.Lock()
        self._moving = threading.Event()
        self._moving.set()
        self._ending = threading.Event()
        self._queue: WorkQueue[Key] = WorkQueue(cap_s=0.5)
        self.pods = Informer(self._client, Pod, fields=f"spec.nodeName={name}", on_change=self._pod_changed)
        self._threads = [
            threading.Thread(target=target, name=f"{name}-{target.__name__}", daemon=True)
            for target in (self._beat, self._work)
        ]

    def start(self) -> "HollowNode":
        self.pods.start()
        for thread in self._threads:
            thread.start()
        return self

    def freeze(self) -> None:
        self._moving.clear()

    def thaw(self) -> None:
        self._moving.set()

    def cut(self, *, off: bool) -> None:
        """Or join it again."""
        self._client.transport.cut = off  # type: ignore[attr-defined]
        watch = self.pods._watch
        if off and watch is not None:
            watch.stop()

    def kill(self) -> None:
        """Without a word: its Node object and its pods stay."""
        self._ending.set()
        self._moving.set()
        self._queue.close()
        self.pods.stop()
        for thread in self._threads:
            thread.join(60)
        self._client.close()

    def running(self) -> dict[str, str]:
        """The addresses of its pods, by UID."""
        with self._lock:
            return dict(self._addresses)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None:
            self._queue.add((new.metadata.namespace, new.metadata.name))
        elif old is not None:
            # Another may have removed it.
            with self._lock:
                self._addresses.pop(old.metadata.uid, None)

    # The node itself.

    def _beat(self) -> None:
        while not self._ending.wait(BEAT_S):
            self._moving.wait()
            if self._ending.is_set():
                return
            try:
                self._say_ready()
                self._renew()
            except (ApiError, Unreachable):
                # At the next beat again.
                continue

    def _say_ready(self) -> None:
        try:
            node = self._client.get(Node, self.name)
        except NotFound:
            node = self._client.create(Node(metadata=ObjectMeta(name=self.name, labels=self._labels)))
        ready = next((item for item in node.status.conditions if item.type == "Ready"), None)
        if ready is not None and ready.status == "True":
            return
        kinds = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}
        conditions = [
            {"type": kind, "status": status, "lastHeartbeatTime": now(), "lastTransitionTime": now()}
            for kind, status in kinds.items()
        ]
        amounts = {"cpu": "32", "memory": "16Gi", "pods": str(self._room)}
        status = {"conditions": conditions, "capacity": amounts, "allocatable": amounts}
        self._client.patch(Node, self.name, "", {"status": status}, subresource="status")

    def _renew(self) -> None:
        try:
            lease = self._client.get(Lease, self.name, LEASES)
        except NotFound:
            lease = self._client.create(Lease(metadata=ObjectMeta(name=self.name, namespace=LEASES)))
        lease.spec.holder_identity, lease.spec.renew_time = self.name, now_micro()
        self._client.update(lease)

    # Its pods.

    def _work(self) -> None:
        while (key := self._queue.get()) is not None:
            self._moving.wait()
            if not self._ending.is_set():
                self._handle(key)
            self._queue.done(key)

    def _handle(self, key: Key) -> None:
        try:
            self._keep(key)
        except (NotFound, AlreadyExists):
            self._queue.forget(key)
        except (ApiError, Conflict, Unreachable, LookupError):
            self._queue.retry(key)
        else:
            self._queue.forget(key)

    def _keep(self, key: Key) -> None:
        pod = self.pods.get(*key)
        if pod is None:
            return
        if pod.metadata.deletion_timestamp is not None:
            self._client.delete(Pod, key[1], key[0], grace_s=0, uid=pod.metadata.uid)
            with self._lock:
                self._addresses.pop(pod.metadata.uid, None)
            return
        ready = next((item for item in pod.status.conditions if item.type == "Ready"), None)
        address = self._address(pod)
        if pod.status.pod_ip == address and ready is not None and ready.status == "True":
            return
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": now()}
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [condition]}
        self._client.patch(
            Pod, key[1], key[0], {"metadata": {"uid": pod.metadata.uid}, "status": status}, subresource="status"
        )

    def _address(self, pod: Pod) -> str:
        """Its own from now on. A started node goes on with what its pods have."""
        with self._lock:
            if known := self._addresses.get(pod.metadata.uid):
                return known
            if pod.status.pod_ip:
                self._addresses[pod.metadata.uid] = pod.status.pod_ip
                return pod.status.pod_ip
        node = self._client.get(Node, self.name)
        if not node.spec.pod_cidr:
            raise LookupError("no range yet")
        with self._lock:
            taken = {*self._addresses.values(), *(one.status.pod_ip for one in self.pods.items())}
            hosts = ipaddress.ip_network(node.spec.pod_cidr).hosts()
            address = next(str(host) for host in hosts if str(host) not in taken)
            self._addresses[pod.metadata.uid] = address
            return address

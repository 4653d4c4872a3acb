"""The edge to the API: the leases of addresses, and the heartbeats of nodes."""

import logging
import threading
from collections.abc import Callable

from api.codec import encode
from api.coordination import Lease, LeaseSpec
from api.core import Node
from api.errors import AlreadyExists, Conflict, NotFound
from api.meta import DeleteOptions, ObjectMeta, OwnerReference, Preconditions
from api.resources import resource_of
from api.scalars import now_micro
from client import Client, Informer
from client.client import PATCH_TYPES
from client.clock import boot_time
from netproxy.announcing.election import LEASE_S

log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
LABEL = "service.steersman.io/load-balancer"
OF_ADDRESS, OF_NODE = "address", "node"
_LIMIT_S = 1.0
"""Of one request: the next heartbeat is due."""


class Leases:
    """What the leases say, followed by a watch, and changes to them. Calls raise ApiError and Unreachable."""

    def __init__(self, client: Client, node: str, on_change: Callable[[], None]) -> None:
        self._client = client
        self._node = node
        self._on_change = on_change
        self._lock = threading.Lock()
        self._claims: dict[str, Lease] = {}
        self._beats: dict[str, float] = {}
        self._versions: dict[str, str] = {}
        """Of heartbeats, by node."""
        self._informer = Informer(client, Lease, namespace=NAMESPACE, labels=LABEL, on_change=self._changed)

    def start(self) -> None:
        """Begin to follow."""
        self._informer.start()

    def stop(self) -> None:
        """End it."""
        self._informer.stop()

    @property
    def synced(self) -> bool:
        """Whether the leases were seen once."""
        return self._informer.synced

    def holders(self) -> dict[str, str]:
        """Address to node."""
        with self._lock:
            return {name: lease.spec.holder_identity or "" for name, lease in self._claims.items()}

    def beats(self) -> dict[str, float]:
        """Node to when its heart was last seen to beat; a holder whose heartbeat is not known, to when it was seen."""
        with self._lock:
            for lease in self._claims.values():
                self._beats.setdefault(lease.spec.holder_identity or "", boot_time())
            return dict(self._beats)

    def begin_anew(self) -> None:
        """After a time without the master nobody counts as silent: they could not be heard. Reads who holds what."""
        found = self._client.list(Lease, NAMESPACE, labels=f"{LABEL}={OF_ADDRESS}")
        with self._lock:
            self._claims = {_address(lease): lease for lease in found.items}
            self._beats = dict.fromkeys(self._beats, boot_time())

    def beat(self, node: Node | None) -> None:
        """Renew our heartbeat."""
        lease = Lease(metadata=_metadata(f"netproxy-{self._node}", OF_NODE), spec=self._spec(LEASE_S))
        if node is not None:  # it goes when the node is deleted
            owner = OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid)
            lease.metadata.owner_references = [owner]
        try:
            self._send("PATCH", lease)
        except NotFound:
            self._send("POST", lease)

    def has_beaten(self, node: str) -> bool:
        """Whether a node's heart has beaten since we saw it last: asked of the master, as a watch may be behind."""
        try:
            lease = self._client.get(Lease, f"netproxy-{node}", NAMESPACE)
        except NotFound:
            return False
        with self._lock:
            same = lease.metadata.resource_version == self._versions.get(node)
            self._versions[node] = lease.metadata.resource_version
            if not same:
                self._beats[node] = boot_time()
        return not same

    def claim(self, address: str) -> bool:
        """Take the lease of an address; False when another was quicker."""
        with self._lock:
            known = self._claims.get(address)
        lease = Lease(metadata=_metadata(f"load-balancer-{address}", OF_ADDRESS), spec=self._spec(None))
        lease.spec.acquire_time = lease.spec.renew_time
        transitions = (known.spec.lease_transitions or 0) + 1 if known is not None else 0
        lease.spec.lease_transitions = transitions
        if known is not None:
            lease.metadata.resource_version = known.metadata.resource_version
        try:
            self._send("POST" if known is None else "PUT", lease)
            taken = self._client.get(Lease, lease.metadata.name, NAMESPACE)
        except (AlreadyExists, Conflict, NotFound):
            return False
        with self._lock:
            self._claims[address] = taken
        return taken.spec.holder_identity == self._node

    def give_back(self, address: str) -> None:
        """Delete the lease of an address, if it is still ours."""
        with self._lock:
            known = self._claims.pop(address, None)
        if known is None or known.spec.holder_identity != self._node:
            return
        guard = Preconditions(uid=known.metadata.uid, resource_version=known.metadata.resource_version)
        options = DeleteOptions(api_version="v1", kind="DeleteOptions", preconditions=guard)
        path = resource_of(Lease).path(NAMESPACE, known.metadata.name)
        try:
            self._client.transport.request("DELETE", path, body=encode(options), timeout_s=_LIMIT_S)
        except (NotFound, Conflict):
            log.debug("lease was not ours any more address=%s", address)

    def _spec(self, duration_s: float | None) -> LeaseSpec:
        seconds = None if duration_s is None else round(duration_s)
        return LeaseSpec(holder_identity=self._node, lease_duration_seconds=seconds, renew_time=now_micro())

    def _send(self, method: str, lease: Lease) -> None:
        resource = resource_of(Lease)
        lease.api_version, lease.kind = resource.api_version, resource.kind
        path = resource.path(NAMESPACE, "" if method == "POST" else lease.metadata.name)
        form = PATCH_TYPES["merge"] if method == "PATCH" else "application/json"
        self._client.transport.request(method, path, body=encode(lease), content_type=form, timeout_s=_LIMIT_S)

    def _changed(self, old: Lease | None, new: Lease | None) -> None:
        lease = new or old
        assert lease is not None
        if lease.metadata.labels.get(LABEL) == OF_NODE:
            self._node_changed(lease, gone=new is None)
            return
        with self._lock:
            known = self._claims.get(_address(lease))
            if known is not None and _version(known) > _version(lease):
                return  # the watch tells of a time before our own change
            if new is None:
                self._claims.pop(_address(lease), None)
            else:
                self._claims[_address(lease)] = lease
        self._on_change()

    def _node_changed(self, lease: Lease, *, gone: bool) -> None:
        """A heartbeat is noted and wakes nobody: what matters is its absence."""
        node = lease.spec.holder_identity or ""
        with self._lock:
            if not gone:
                self._beats[node], self._versions[node] = boot_time(), lease.metadata.resource_version


def _metadata(name: str, label: str) -> ObjectMeta:
    return ObjectMeta(name=name, namespace=NAMESPACE, labels={LABEL: label})


def _address(lease: Lease) -> str:
    return lease.metadata.name.removeprefix("load-balancer-")


def _version(lease: Lease) -> int:
    text = lease.metadata.resource_version
    return int(text) if text.isdecimal() else 0

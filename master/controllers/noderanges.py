"""Range controller: each node gets a range of pod addresses of its own, which is free again when the node has gone.

Nothing is written down but ``spec.podCIDR`` itself: what is taken is read from the nodes that there are.
"""

import ipaddress
import logging
from collections.abc import Collection

from api.core import Node
from client import Client, EventRecorder
from master.controllers.informers import Informers
from master.controllers.loop import Key, Loop

log = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def free_range(cluster: str, prefix: int, taken: Collection[str]) -> str | None:
    """The first range of the given prefix length in ``cluster`` that overlaps none of the taken ones."""
    whole = ipaddress.ip_network(cluster)
    size = 1 << (whole.max_prefixlen - prefix)
    start, end = int(whole.network_address), int(whole.broadcast_address)
    used = set[int]()
    for cidr in taken:
        network = _network(cidr)
        if network is None or network.version != whole.version or not network.overlaps(whole):
            continue
        first, last = max(int(network.network_address), start), min(int(network.broadcast_address), end)
        used.update(range((first - start) // size, (last - start) // size + 1))
    number = next((n for n in range((end - start + 1) // size) if n not in used), None)
    return None if number is None else f"{type(whole.network_address)(start + number * size)}/{prefix}"


def _network(cidr: str) -> Network | None:
    """None for a range that someone wrote wrongly: it must not keep other nodes from theirs."""
    try:
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        log.warning("not a range cidr=%s", cidr)
        return None


class NodeRanges:
    """One worker: ranges are given out one after the other."""

    name = "nodeipam"

    def __init__(self, client: Client, informers: Informers, recorder: EventRecorder, *, cluster: str, size: int):
        """``size``: the prefix length of a node's range."""
        self._client = client
        self._nodes = informers.nodes
        self._recorder = recorder
        self._cluster, self._size = cluster, size
        self._given: dict[str, tuple[str, str]] = {}
        self._unserved: set[str] = set()
        self.loop = Loop(self.name, self.reconcile, workers=1)
        self._nodes.add_listener(self._node_changed)

    def _node_changed(self, _old: Node | None, new: Node | None) -> None:
        if new is not None and not new.spec.pod_cidr:
            self.loop.queue.add(("", new.metadata.name))
        elif new is None:
            # Its range is free now.
            for name in tuple(self._unserved):
                self.loop.queue.add(("", name))

    def reconcile(self, key: Key) -> str:
        self._unserved.discard(key[1])
        node = self._nodes.get(*key)
        if node is None or node.spec.pod_cidr:
            return ""
        uid = node.metadata.uid
        # Before it looks: it must hear of a node that goes meanwhile.
        self._unserved.add(key[1])
        taken = self._taken()
        given = self._given.get(key[1])
        cidr = given[1] if given and given[0] == uid else free_range(self._cluster, self._size, taken)
        if cidr is None:
            said = f"no free range left in {self._cluster}"
            self._recorder.event(node, "Warning", "CIDRNotAvailable", said)
            return said
        self._unserved.discard(key[1])
        self._given[key[1]] = (uid, cidr)
        patch = {"metadata": {"uid": uid}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        self._client.patch(Node, key[1], "", patch, form="merge")
        return f"gave the node {cidr}"

    def _taken(self) -> set[str]:
        """Ranges that were given but are not seen through the watch yet count too."""
        nodes = {node.metadata.name: node for node in self._nodes.items()}
        self._given = {
            name: given
            for name, given in self._given.items()
            if name in nodes and nodes[name].metadata.uid == given[0] and not nodes[name].spec.pod_cidr
        }
        seen = {node.spec.pod_cidr for node in nodes.values() if node.spec.pod_cidr}
        return seen | {cidr for _, cidr in self._given.values()}

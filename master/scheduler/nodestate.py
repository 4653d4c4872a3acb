"""One node as the scheduler sees it: its room, and the pods that take it. All sums are kept with each change."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from api.core import Node
from api.placement import HostPort
from master.scheduler.amounts import Amounts, amounts
from master.scheduler.wish import Wish

K = TypeVar("K", bound=Hashable)
ZONE = "topology.kubernetes.io/zone"
TROUBLES = ("NetworkUnavailable", "DiskPressure", "PIDPressure", "MemoryPressure")
_OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"


@dataclass(eq=False, slots=True)
class ImageSpread:
    """On how many of all nodes each image is."""

    nodes: int = 0
    holders: Counter[str] = field(default_factory=Counter)

    def share(self, image: str) -> float:
        return self.holders[image] / self.nodes if self.nodes else 0.0


@dataclass(eq=False, slots=True)
class NodeState:
    """A node with the pods on it, and their sums. ``version`` changes with all that a filter or score reads,
    ``node_version`` when the node itself is written.

    spread: shared by all nodes. troubles: conditions that are not as they should be. free: what is allocatable and not
    requested; below 0 where more is requested. per_cpu, per_memory: 1 by all that is allocatable.
    """

    node: Node
    spread: ImageSpread
    name: str = ""
    zone: str = ""
    version: int = 0
    node_version: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    allocatable: Amounts = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    pods: dict[str, Wish] = field(default_factory=dict)
    nominated: dict[str, Wish] = field(default_factory=dict)
    requested: Amounts = field(default_factory=dict)
    free: Amounts = field(default_factory=dict)
    ports: Counter[HostPort] = field(default_factory=Counter)
    owners: Counter[str] = field(default_factory=Counter)
    priorities: Counter[int] = field(default_factory=Counter)
    most_pods: int = 0
    per_cpu: float = 1.0
    per_memory: float = 1.0
    scored_cpu: float = 0.0
    scored_memory: float = 0.0

    def __post_init__(self) -> None:
        self.read(self.node)

    def read(self, node: Node) -> None:
        """Takes over what the node now is."""
        self.node, self.name, self.labels = node, node.metadata.name, node.metadata.labels
        self.zone = self.labels.get(ZONE) or self.labels.get(_OLD_ZONE, "")
        self.allocatable = amounts(node.status.allocatable)
        self.free = {
            name: self.allocatable.get(name, 0) - self.requested.get(name, 0)
            for name in self.allocatable | self.requested
        }
        self.most_pods = self.allocatable.get("pods", 0)
        self.per_cpu = 1 / (self.allocatable.get("cpu") or 1)
        self.per_memory = 1 / (self.allocatable.get("memory") or 1)
        self.hold({name: image.size_bytes for image in node.status.images for name in image.names})
        states = {item.type: item.status for item in node.status.conditions}
        lacking = () if states.get("Ready") == "True" else ("Ready",)
        self.troubles = lacking + tuple(kind for kind in TROUBLES if states.get(kind) == "True")

    def hold(self, images: dict[str, int]) -> None:
        """The sizes of the images on the node, by name; none when the node goes."""
        for name in self.images.keys() - images.keys():
            count(self.spread.holders, name, -1)
        for name in images.keys() - self.images.keys():
            count(self.spread.holders, name, 1)
        self.images = images

    def add(self, wish: Wish) -> None:
        self.pods[wish.uid] = wish
        self._count(wish, 1)

    def remove(self, uid: str) -> None:
        wish = self.pods.pop(uid, None)
        if wish is not None:
            self._count(wish, -1)

    def _count(self, wish: Wish, sign: int) -> None:
        shape = wish.shape
        requested, free = self.requested, self.free
        for name, value in shape.requests.items():
            requested[name] = requested.get(name, 0) + sign * value
            free[name] = free.get(name, 0) - sign * value
        self.scored_cpu += sign * shape.scored_cpu
        self.scored_memory += sign * shape.scored_memory
        count(self.priorities, wish.priority, sign)
        if shape.owner:
            count(self.owners, shape.owner, sign)
        for port in shape.host_ports:
            count(self.ports, port, sign)


def count(counter: Counter[K], key: K, sign: int) -> None:
    """One more or less of a key; keys that have come to nothing are dropped."""
    counter[key] += sign
    if not counter[key]:
        del counter[key]

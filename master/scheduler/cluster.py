"""What the scheduler knows of nodes: their room, and the pods that take it. Bound pods count at once, before a watch
shows them (they are *assumed*).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from api.core import Container, Node, Pod, PodSpec

Amounts = dict[str, int]
# What the scores assume of a container that asks for nothing, as Kubernetes does.
_ASSUMED_CPU_MILLIS = 100
_ASSUMED_MEMORY_BYTES = 200 * 2**20


def amount(name: str, value: Decimal) -> int:
    """A quantity as a whole number: thousandths for CPU, base units for all else; rounded up."""
    scaled = value * 1000 if name == "cpu" else value
    return int(scaled.to_integral_value(rounding="ROUND_CEILING"))


def _of(container: Container) -> Amounts:
    if container.resources is None:
        return {}
    return {name: amount(name, quantity.value) for name, quantity in container.resources.requests.items()}


def requests(spec: PodSpec) -> Amounts:
    """What a pod needs: the sum of its containers and sidecars, or, where that is more, of an init container and the
    sidecars started before it. (``PodRequests`` of Kubernetes.)
    """
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.init_containers:
        own = _of(container)
        if container.restart_policy == "Always":
            sidecars = own = _sum(sidecars, own)
        else:
            own = _sum(sidecars, own)
        most = {name: max(most.get(name, 0), own.get(name, 0)) for name in most | own}
    total = sidecars
    for container in spec.containers:
        total = _sum(total, _of(container))
    total = {name: max(total.get(name, 0), most.get(name, 0)) for name in total | most}
    return _sum(total, {name: amount(name, quantity.value) for name, quantity in spec.overhead.items()})


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}


def scored_requests(spec: PodSpec) -> tuple[int, int]:
    """CPU in millicores and memory in bytes that the scores count, with a guess for containers that ask for nothing."""
    cpu = memory = 0
    for container in spec.containers:
        wanted = _of(container)
        cpu += wanted.get("cpu", _ASSUMED_CPU_MILLIS)
        memory += wanted.get("memory", _ASSUMED_MEMORY_BYTES)
    return cpu, memory


HostPort = tuple[str, str, int]


def host_ports(spec: PodSpec) -> set[HostPort]:
    """(protocol, address, port) of each host port of a pod; the address is 0.0.0.0 for all."""
    return {
        (port.protocol or "TCP", port.host_ip or "0.0.0.0", port.host_port)
        for container in spec.containers
        for port in container.ports
        if port.host_port
    }


@dataclass(slots=True)
class NodeState:
    """A node with the pods on it, and their sums."""

    node: Node
    allocatable: Amounts
    pods: dict[str, Pod] = field(default_factory=dict)
    requested: Amounts = field(default_factory=dict)
    scored_cpu: int = 0
    scored_memory: int = 0

    def add(self, pod: Pod) -> None:
        self.pods[pod.metadata.uid] = pod
        self._count(pod, 1)

    def remove(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)

    def _count(self, pod: Pod, sign: int) -> None:
        for name, value in requests(pod.spec).items():
            self.requested[name] = self.requested.get(name, 0) + sign * value
        cpu, memory = scored_requests(pod.spec)
        self.scored_cpu += sign * cpu
        self.scored_memory += sign * memory


class Cluster:
    """All nodes with their pods. Not safe to share between threads: the scheduler guards it with one lock."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeState] = {}
        self._placed: dict[str, str] = {}

    def set_node(self, node: Node) -> None:
        allocatable = {name: amount(name, quantity.value) for name, quantity in node.status.allocatable.items()}
        state = self.nodes.get(node.metadata.name)
        if state is None:
            self.nodes[node.metadata.name] = NodeState(node, allocatable)
        else:
            state.node, state.allocatable = node, allocatable

    def remove_node(self, name: str, pods: Iterable[Pod]) -> None:
        """Forgets a node; ``pods`` are all pods known, so that those on it are forgotten too."""
        self.nodes.pop(name, None)
        for pod in pods:
            if self._placed.get(pod.metadata.uid) == name:
                del self._placed[pod.metadata.uid]

    def place(self, pod: Pod, node_name: str) -> None:
        """Counts a pod on a node: seen through the watch, or assumed when it was bound."""
        uid = pod.metadata.uid
        self.remove(uid)
        state = self.nodes.get(node_name)
        if state is not None:
            state.add(pod)
            self._placed[uid] = node_name

    def is_placed(self, uid: str) -> bool:
        """Whether a pod is counted on some node."""
        return uid in self._placed

    def remove(self, uid: str) -> None:
        name = self._placed.pop(uid, None)
        if name is not None and name in self.nodes:
            self.nodes[name].remove(uid)

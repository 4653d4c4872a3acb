"""Whether a pod still fits on this node, by what pods ask for and what the node is: the kubelet's own checks. Pure.

Words and order are those of pkg/kubelet/lifecycle and pkg/kubelet/eviction of Kubernetes. That a pod is bound to this
very node is not asked: others never come here.
"""

from collections.abc import Iterable, Mapping

from agent.pods.eviction import is_critical
from agent.pods.manifests import is_static
from api import pod_resources
from api.core import Node, Pod, Taint
from api.placement import HostPort, host_ports, may_stand_on, ports_clash, required_nodes
from api.qos import qos_class
from api.scalars import Quantity
from api.tolerations import tolerates

Amounts = Mapping[str, int]  # pods, cpu in thousandths, memory and ephemeral-storage in bytes
Problem = tuple[str, str]  # reason and message
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")
_MEMORY_TAINT = Taint(key="node.kubernetes.io/memory-pressure", effect="NoSchedule")


def amounts(resources: Mapping[str, Quantity]) -> Amounts:
    return {"pods": resources["pods"].units} | {name: _number(name, resources[name]) for name in _RESOURCES}


def asked(pod: Pod) -> Amounts:
    """With what running the pod itself takes."""
    needs, overhead = pod_resources.total(pod.spec, "requests"), pod.spec.overhead
    found = {name: sum(_number(name, part.get(name)) for part in (needs, overhead)) for name in _RESOURCES}
    return {"pods": 1} | found


def total(parts: Iterable[Amounts]) -> Amounts:
    found = dict.fromkeys(("pods", *_RESOURCES), 0)
    for part in parts:
        for name, number in part.items():
            found[name] += number
    return found


def shortages(wanted: Amounts, used: Amounts, capacity: Amounts) -> dict[str, int]:
    """How much is short of each resource that does not suffice beside what is used; nothing when all do."""
    return {
        name: used[name] + number - capacity[name]
        for name, number in wanted.items()
        if number and used[name] + number > capacity[name]
    }


def told(name: str, wanted: Amounts, used: Amounts, capacity: Amounts) -> Problem:
    """What is said of a resource that is short."""
    message = f"Node didn't have enough resource: {name}, requested: {wanted[name]}, used: {used[name]}"
    return f"OutOf{name}", f"{message}, capacity: {capacity[name]}"


def unfit(pod: Pod, node: Node | None, taken: Iterable[HostPort]) -> Problem | None:
    """Why the pod must not be on this node, whatever room there is. ``taken``: the host ports of others."""
    if pod.spec.os is not None and pod.spec.os.name != "linux":
        return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    if node is not None and (problem := _pressed(pod, node) or _unwanted(pod, node)):
        return problem
    if ports_clash(host_ports(pod.spec), list(taken)):
        return _failed("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    if node is not None and not is_static(pod) and not _bears_taints(pod, node):
        return _failed("TaintToleration", "node(s) had taints that the pod didn't tolerate")
    return None


def _unwanted(pod: Pod, node: Node) -> Problem | None:
    required = required_nodes(pod.spec.affinity)
    if may_stand_on(pod.spec.node_selector, required, node.metadata.name, node.metadata.labels):
        return None
    return _failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")


def _pressed(pod: Pod, node: Node) -> Problem | None:
    """A node that is short of memory still takes pods that asked for some."""
    found = [one.type for one in node.status.conditions if one.type in _PRESSURES and one.status == "True"]
    if not found or is_critical(pod):
        return None
    bears_memory = any(tolerates(one, _MEMORY_TAINT) for one in pod.spec.tolerations)
    if found == ["MemoryPressure"] and (qos_class(pod.spec) != "BestEffort" or bears_memory):
        return None
    return "Evicted", f"The node had condition: [{' '.join(found)}]. "


def _bears_taints(pod: Pod, node: Node) -> bool:
    """Only those by which running pods have to go."""
    taints = [taint for taint in node.spec.taints if taint.effect == "NoExecute"]
    return all(any(tolerates(one, taint) for one in pod.spec.tolerations) for taint in taints)


def _failed(predicate: str, why: str) -> Problem:
    return predicate, f"Predicate {predicate} failed: {why}"


def _number(name: str, quantity: Quantity | None) -> int:
    if quantity is None:
        return 0
    return quantity.millis if name == "cpu" else quantity.units

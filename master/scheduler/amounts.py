"""What a pod takes of a node: requests, and what the scores assume."""

from functools import lru_cache

from api.core import Container, PodSpec
from api.scalars import Quantity, Resources

Amounts = dict[str, int]
# What the scores assume of a container that asks for nothing, as Kubernetes does.
_ASSUMED_CPU_MILLIS = 100
_ASSUMED_MEMORY_BYTES = 200 * 2**20
# What a pod as a whole can ask for in place of its containers.
_OF_PODS = ("cpu", "memory", "hugepages-")


def amounts(resources: Resources) -> Amounts:
    """Quantities as whole numbers: thousandths for CPU, base units for all else; rounded up."""
    return {name: _amount(name == "cpu", quantity) for name, quantity in resources.items()}


# The same few amounts stand in nearly all pods and nodes.
@lru_cache(maxsize=4096)
def _amount(in_millis: bool, quantity: Quantity) -> int:
    return quantity.millis if in_millis else quantity.units


def _of(container: Container) -> Amounts:
    return {} if container.resources is None else amounts(container.resources.requests)


def requests(spec: PodSpec) -> Amounts:
    """What a pod needs: the sum of its containers and sidecars, or, where that is more, of an init container and the
    sidecars started before it; what the pod as a whole asks for counts instead. (``PodRequests`` of Kubernetes.)
    """
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.init_containers:
        own = _sum(sidecars, _of(container))
        if container.restart_policy == "Always":
            sidecars = own
        most = {name: max(most.get(name, 0), own.get(name, 0)) for name in most | own}
    total = sidecars
    for container in spec.containers:
        total = _sum(total, _of(container))
    total = {name: max(total.get(name, 0), most.get(name, 0)) for name in total | most}
    if spec.resources is not None:
        whole = amounts(spec.resources.requests)
        total |= {name: value for name, value in whole.items() if name.startswith(_OF_PODS)}
    return _sum(total, amounts(spec.overhead)) if spec.overhead else total


def _sum(one: Amounts, other: Amounts) -> Amounts:
    if not one:
        return other
    return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}


def scored_requests(spec: PodSpec) -> tuple[float, float]:
    """CPU in millicores and memory in bytes that the scores count, with a guess for containers that ask for nothing."""
    cpu = memory = 0.0
    for container in spec.containers:
        wanted = _of(container)
        cpu += wanted.get("cpu", _ASSUMED_CPU_MILLIS)
        memory += wanted.get("memory", _ASSUMED_MEMORY_BYTES)
    return cpu, memory

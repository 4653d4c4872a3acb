"""What a pod takes of a node: requests, and what the scores assume."""

from functools import lru_cache

from api.core import Container, PodSpec
from api.pod_resources import FOR_PODS
from api.scalars import Quantity, Resources

Amounts = dict[str, int]
# What the scores assume of a container that asks for nothing, as Kubernetes does: thousandths, bytes.
_ASSUMED: Amounts = {"cpu": 100, "memory": 200 * 2**20}
_NOTHING: Amounts = {}


def amounts(resources: Resources) -> Amounts:
    """Quantities as whole numbers: thousandths for CPU, base units for all else; rounded up."""
    return {name: _amount(name == "cpu", quantity) for name, quantity in resources.items()}


# The same few amounts stand in nearly all pods and nodes.
@lru_cache(maxsize=4096)
def _amount(in_millis: bool, quantity: Quantity) -> int:
    return quantity.millis if in_millis else quantity.units


def _of(container: Container, assumed: Amounts) -> Amounts:
    return assumed if container.resources is None else assumed | amounts(container.resources.requests)


def requests(spec: PodSpec, assumed: Amounts = _NOTHING) -> Amounts:
    """What a pod needs: the sum of its containers and sidecars, or, where that is more, of an init container and the
    sidecars started before it; what the pod as a whole asks for counts instead. (``PodRequests`` of Kubernetes.)

    assumed: of a container that does not say how much it asks for.
    """
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.init_containers:
        own = _sum(sidecars, _of(container, assumed))
        if container.restart_policy == "Always":
            sidecars = own
        most = {name: max(most.get(name, 0), own.get(name, 0)) for name in most | own}
    total = sidecars
    for container in spec.containers:
        total = _sum(total, _of(container, assumed))
    total = {name: max(total.get(name, 0), most.get(name, 0)) for name in total | most}
    if spec.resources is not None:
        whole = amounts(spec.resources.requests)
        total |= {name: value for name, value in whole.items() if name.startswith(FOR_PODS)}
    return _sum(total, amounts(spec.overhead)) if spec.overhead else total


def _sum(one: Amounts, other: Amounts) -> Amounts:
    if not one:
        return other
    return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}


def scored_requests(spec: PodSpec) -> tuple[float, float]:
    """CPU in millicores and memory in bytes that the scores count, with a guess for containers that ask for nothing."""
    found = requests(spec, _ASSUMED)
    return float(found.get("cpu", 0)), float(found.get("memory", 0))

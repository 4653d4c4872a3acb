"""Whether a pod still fits on this node, by what pods ask for: the kubelet's own check, after the scheduler's. Pure.

Words and order are those of pkg/kubelet/lifecycle of Kubernetes.
"""

from collections.abc import Iterable, Mapping

from agent.cgroups.wanted import most_at_once
from agent.pods.qos import amount
from api.core import Container, Pod
from api.scalars import Quantity

Amounts = Mapping[str, int]  # pods, cpu in thousandths, memory and ephemeral-storage in bytes
_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def amounts(resources: Mapping[str, Quantity]) -> Amounts:
    return {"pods": resources["pods"].units} | {name: _number(name, resources[name]) for name in _RESOURCES}


def asked(pod: Pod) -> Amounts:
    """With what running the pod itself takes."""

    def of(container: Container, name: str) -> int:
        return _number(name, amount(container, "requests", name))

    overhead = pod.spec.overhead
    needs = {name: most_at_once(pod, lambda one, name=name: of(one, name)) for name in _RESOURCES}  # type: ignore[misc]
    return {"pods": 1} | {name: needs[name] + _number(name, overhead.get(name)) for name in _RESOURCES}


def shortage(wanted: Amounts, others: Iterable[Amounts], capacity: Amounts) -> tuple[str, str] | None:
    """Reason and message for the first resource that does not suffice beside what others asked for; None if all do."""
    used = dict.fromkeys(("pods", *_RESOURCES), 0)
    for other in others:
        for name, number in other.items():
            used[name] += number
    for name, number in wanted.items():
        if number and used[name] + number > capacity[name]:
            told = f"Node didn't have enough resource: {name}, requested: {number}, used: {used[name]}"
            return f"OutOf{name}", f"{told}, capacity: {capacity[name]}"
    return None


def _number(name: str, quantity: Quantity | None) -> int:
    if quantity is None:
        return 0
    return quantity.millis if name == "cpu" else quantity.units

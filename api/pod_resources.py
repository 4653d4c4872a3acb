"""What a pod asks for, or may have, in all: by its containers, and as a whole (``spec.resources``).

Source: k8s.io/component-helpers, resource/helpers.go; KEP 2837 (pod level resources).
"""

from collections.abc import Mapping
from decimal import Decimal

from api.core import Container, PodSpec
from api.scalars import Quantity

Amounts = dict[str, Quantity]
# What can be said of a pod as a whole.
FOR_PODS = ("cpu", "memory", "hugepages-")


def of_containers(spec: PodSpec, part: str) -> Amounts:
    """What the containers of a pod ask for, or may have, in all: the sum of containers and sidecars, or, where that is
    more, of an init container and the sidecars started before it.
    """
    sidecars: dict[str, Decimal] = {}
    most: dict[str, Decimal] = {}
    for container in spec.init_containers:
        own = _plus(sidecars, part_of(container, part))
        if container.restart_policy == "Always":
            sidecars = own
        most |= {name: amount for name, amount in own.items() if amount > most.get(name, -1)}
    sums = sidecars
    for container in spec.containers:
        sums = _plus(sums, part_of(container, part))
    return {name: quantity(name, max(sums.get(name, Decimal(0)), most.get(name, Decimal(0)))) for name in sums | most}


def total(spec: PodSpec, part: str) -> Amounts:
    """The same, but what is said of the pod as a whole counts instead."""
    whole = part_of(spec, part)
    return of_containers(spec, part) | {name: whole[name] for name in whole if name.startswith(FOR_PODS)}


def is_said_of_pod(spec: PodSpec) -> bool:
    """Whether the pod as a whole asks for, or may have, something."""
    whole = spec.resources
    return whole is not None and any(name.startswith(FOR_PODS) for name in (*whole.requests, *whole.limits))


def _plus(sums: Mapping[str, Decimal], more: Amounts) -> dict[str, Decimal]:
    return {**sums, **{name: sums.get(name, Decimal(0)) + amount.value for name, amount in more.items()}}


def quantity(name: str, amount: Decimal) -> Quantity:
    """In Kubernetes' notation; bytes with binary suffixes where they fit."""
    text = f"{amount:f}"
    if any(kind in name for kind in ("memory", "storage", "hugepages")) and amount and amount % 1024 == 0:
        return Quantity(f"{int(amount) // 1024}Ki")
    return Quantity(text)


def part_of(item: Container | PodSpec, part: str) -> Amounts:
    """``part``: requests or limits."""
    return getattr(item.resources, part) if item.resources is not None else {}


def complete_whole(spec: PodSpec) -> None:
    """What a pod that says something as a whole asks for, where it does not say so: what its containers ask for, or
    else what it may have."""
    if spec.resources is None or not is_said_of_pod(spec):
        return
    # Huge pages are not lent out: what may be had of them is had.
    asked = {name: one for name, one in of_containers(spec, "requests").items() if not name.startswith("hugepages-")}
    for name, amount in {**spec.resources.limits, **asked}.items():
        if name.startswith(FOR_PODS):
            spec.resources.requests.setdefault(name, amount)

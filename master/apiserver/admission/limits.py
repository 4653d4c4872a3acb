"""What limit ranges say of a pod or a claim. Pure: ranges and objects in, completed requests and faults out.

Source: k8s.io/kubernetes, plugin/pkg/admission/limitranger; the sentences are Kubernetes'.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from api.core import Container, PersistentVolumeClaim, Pod, PodSpec, ResourceRequirements
from api.core.quota import LimitRange, LimitRangeItem
from api.qos import qos_class
from api.scalars import Quantity

Amounts = dict[str, Quantity]
ANNOTATION = "kubernetes.io/limit-ranger"
_FOR_PODS = ("cpu", "memory", "hugepages-")
"""What can be said of a pod as a whole."""


def complete(pod: Pod, ranges: Iterable[LimitRange]) -> None:
    """Gives containers that lack a request or a limit the default of the namespace, and notes that on the pod."""
    requests, limits = _defaults(ranges)
    if not requests and not limits:
        return
    notes = [note for container in pod.spec.containers for note in _fill(container, requests, limits, "container")]
    for container in pod.spec.init_containers:
        notes += _fill(container, requests, limits, "init container")
    if notes:
        pod.status.qos_class = qos_class(pod.spec)
        pod.metadata.annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _defaults(ranges: Iterable[LimitRange]) -> tuple[Amounts, Amounts]:
    requests: Amounts = {}
    limits: Amounts = {}
    for item in _items(ranges, "Container"):
        requests |= item.default_request
        limits |= item.default
    return requests, limits


def _fill(container: Container, requests: Amounts, limits: Amounts, what: str) -> Iterator[str]:
    resources = container.resources = container.resources or ResourceRequirements()
    for word, own, defaults in (("request", resources.requests, requests), ("limit", resources.limits, limits)):
        missing = sorted(name for name in defaults if name not in own)
        own.update({name: defaults[name] for name in missing})
        if missing:
            yield f"{', '.join(missing)} {word} for {what} {container.name}"


def pod_faults(pod: Pod, ranges: Iterable[LimitRange]) -> list[str]:
    """What of a pod is out of bounds."""
    spec = pod.spec
    found: list[str] = []
    ranges = list(ranges)
    for item in _items(ranges, "Container"):
        for container in [*spec.containers, *spec.init_containers]:
            resources = container.resources or ResourceRequirements()
            found += _faults(item, resources.requests, resources.limits)
    for item in _items(ranges, "Pod"):
        requests, limits = (total(spec, part) for part in ("requests", "limits"))
        found += _faults(item, requests, limits)
    return list(dict.fromkeys(found))


def claim_faults(claim: PersistentVolumeClaim, ranges: Iterable[LimitRange]) -> list[str]:
    """What of a claim is out of bounds: only what it asks for counts."""
    resources = claim.spec.resources
    asked = resources.requests if resources is not None else {}
    found: list[str] = []
    for item in _items(ranges, "PersistentVolumeClaim"):
        for name, least in sorted(item.min.items()):
            found += _too_low(item.type, name, least, asked.get(name), None)
        for name, most in sorted(item.max.items()):
            shown = f"maximum {name} usage per {item.type} is {most}"
            if name not in asked:
                found.append(f"{shown}. No request is specified")
            elif asked[name].value > most.value:
                found.append(f"{shown}, but request is {asked[name]}")
    return found


def total(spec: PodSpec, part: str) -> Amounts:
    """What the containers of a pod ask for, or may have, in all: the sum of containers and sidecars, or, where that is
    more, of an init container and the sidecars started before it. What is said of the pod as a whole counts instead.
    """
    sidecars: dict[str, Decimal] = {}
    most: dict[str, Decimal] = {}
    for container in spec.init_containers:
        own = _plus(sidecars, _part(container, part))
        if container.restart_policy == "Always":
            sidecars = own
        most |= {name: amount for name, amount in own.items() if amount > most.get(name, -1)}
    sums = sidecars
    for container in spec.containers:
        sums = _plus(sums, _part(container, part))
    found = {name: quantity(name, max(sums.get(name, Decimal(0)), most.get(name, Decimal(0)))) for name in sums | most}
    return found | {name: amount for name, amount in _of_pod(spec, part).items() if name.startswith(_FOR_PODS)}


def is_said_of_pod(spec: PodSpec) -> bool:
    """Whether the pod as a whole asks for, or may have, something."""
    return any(name.startswith(_FOR_PODS) for part in ("requests", "limits") for name in _of_pod(spec, part))


def _of_pod(spec: PodSpec, part: str) -> Amounts:
    return getattr(spec.resources, part) if spec.resources is not None else {}


def _plus(sums: Mapping[str, Decimal], more: Amounts) -> dict[str, Decimal]:
    return {**sums, **{name: sums.get(name, Decimal(0)) + amount.value for name, amount in more.items()}}


def quantity(name: str, amount: Decimal) -> Quantity:
    """In Kubernetes' notation; bytes with binary suffixes where they fit."""
    text = f"{amount:f}"
    if ("memory" in name or "storage" in name) and amount and amount % 1024 == 0:
        return Quantity(f"{int(amount) // 1024}Ki")
    return Quantity(text)


def _part(container: Container, part: str) -> Amounts:
    return getattr(container.resources, part) if container.resources is not None else {}


def _items(ranges: Iterable[LimitRange], kind: str) -> Iterator[LimitRangeItem]:
    for one in ranges:
        for item in one.spec.limits:
            if item.type == kind:
                yield item


def _faults(item: LimitRangeItem, requests: Amounts, limits: Amounts) -> list[str]:
    found: list[str] = []
    for name, least in sorted(item.min.items()):
        found += _too_low(item.type, name, least, requests.get(name), limits.get(name))
    for name, most in sorted(item.max.items()):
        found += _too_high(item.type, name, most, requests.get(name), limits.get(name))
    for name, ratio in sorted(item.max_limit_request_ratio.items()):
        found += _too_far_apart(item.type, name, ratio, requests.get(name), limits.get(name))
    return found


def _too_low(kind: str, name: str, least: Quantity, request: Quantity | None, limit: Quantity | None) -> list[str]:
    shown = f"minimum {name} usage per {kind} is {least}"
    if request is None:
        return [f"{shown}.  No request is specified"]
    if request.value < least.value:
        return [f"{shown}, but request is {request}"]
    if limit is not None and limit.value < least.value:
        return [f"{shown}, but limit is {limit}"]
    return []


def _too_high(kind: str, name: str, most: Quantity, request: Quantity | None, limit: Quantity | None) -> list[str]:
    shown = f"maximum {name} usage per {kind} is {most}"
    if limit is None:
        return [f"{shown}.  No limit is specified"]
    if limit.value > most.value:
        return [f"{shown}, but limit is {limit}"]
    if request is not None and request.value > most.value:
        return [f"{shown}, but request is {request}"]
    return []


def _too_far_apart(
    kind: str, name: str, ratio: Quantity, request: Quantity | None, limit: Quantity | None
) -> list[str]:
    shown = f"{name} max limit to request ratio per {kind} is {ratio}"
    if request is None or not request.value:
        return [f"{shown}, but no request is specified or request is 0"]
    if limit is None or not limit.value:
        return [f"{shown}, but no limit is specified or limit is 0"]
    if limit.value / request.value > ratio.value:
        return [f"{shown}, but provided ratio is {float(limit.value / request.value):f}"]
    return []

"""What limit ranges say of a pod or a claim. Pure: ranges and objects in, completed requests and faults out.

Source: k8s.io/kubernetes, plugin/pkg/admission/limitranger; the sentences are Kubernetes'.
"""

from collections.abc import Iterable, Iterator

from api.core import Container, PersistentVolumeClaim, Pod, ResourceRequirements
from api.core.quota import LimitRange, LimitRangeItem
from api.pod_resources import total
from api.qos import qos_class
from api.scalars import Quantity

Amounts = dict[str, Quantity]
ANNOTATION = "kubernetes.io/limit-ranger"


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

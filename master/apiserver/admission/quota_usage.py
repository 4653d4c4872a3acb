"""How much of a quota an object uses, and whether a quota counts it. Pure.

Source: k8s.io/kubernetes, pkg/quota/v1/evaluator/core (pods.go, services.go, persistent_volume_claims.go).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from api.core import Container, PersistentVolumeClaim, Pod, Service
from api.core.quota import ResourceQuotaSpec, ScopedResourceSelectorRequirement
from api.meta import Object
from api.pod_resources import is_said_of_pod, total
from api.resources import Resource
from api.validation.quota import AMOUNTS, COUNTED

Usage = dict[str, Decimal]
_OVER = ("Succeeded", "Failed")
_COUNT_PODS = "count/pods"
_PER_CONTAINER = ("cpu", "memory", *(f"{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory")))


@dataclass(frozen=True, slots=True)
class Measured:
    """What one object uses. ``scopes`` holds those that a pod is in, and is None for what is no pod."""

    usage: Mapping[str, Decimal]
    scopes: frozenset[str] | None = None
    priority_class: str = ""
    overdue_at: float | None = None
    """When a pod on its way out should have gone, in seconds since 1970. Its node may be lost: from then on it counts
    as one that has ended, so that another can take its place."""

    def overdue(self) -> "Measured":
        """The same pod after that moment."""
        counted = {name: amount for name, amount in self.usage.items() if name == _COUNT_PODS}
        return replace(self, usage=counted, overdue_at=None)


@dataclass(frozen=True, slots=True)
class Limits:
    """A quota as it is compared: the most of each resource, and which objects it counts."""

    name: str
    hard: Mapping[str, Decimal]
    scopes: frozenset[str] = frozenset()
    terms: tuple[ScopedResourceSelectorRequirement, ...] = field(default=())

    def counts(self, measured: Measured) -> bool:
        if not self.scopes and not self.terms:
            return True
        if measured.scopes is None:
            return False
        return self.scopes <= measured.scopes and all(_holds(term, measured) for term in self.terms)

    def usage(self, measured: Measured | None) -> Usage:
        """The part of an object's use that this quota bounds; nothing for what it does not count."""
        if measured is None or not self.counts(measured):
            return {}
        return {name: amount for name, amount in measured.usage.items() if name in self.hard}


def limits_of(name: str, spec: ResourceQuotaSpec) -> Limits:
    terms = spec.scope_selector.match_expressions if spec.scope_selector is not None else []
    hard = {resource: amount.value for resource, amount in spec.hard.items()}
    return Limits(name, hard, frozenset(spec.scopes), tuple(terms))


def _holds(term: ScopedResourceSelectorRequirement, measured: Measured) -> bool:
    assert measured.scopes is not None
    if term.scope_name != "PriorityClass":
        return (term.scope_name in measured.scopes) is (term.operator != "DoesNotExist")
    match term.operator:
        case "In":
            return measured.priority_class in term.values
        case "NotIn":
            return measured.priority_class not in term.values
        case "Exists":
            return bool(measured.priority_class)
        case _:
            return not measured.priority_class


def measured(resource: Resource, item: Object) -> Measured:
    """What an object uses, under every name that a quota can have for it."""
    counted: Usage = {f"count/{resource.qualified}": Decimal(1)}
    if isinstance(item, Pod):
        if item.status.phase not in _OVER:
            counted |= _pod(item)
        return Measured(counted, _scopes(item), item.spec.priority_class_name, _overdue_at(item))
    if resource.plural in COUNTED and not resource.group:
        counted[resource.plural] = Decimal(1)
    if isinstance(item, Service):
        counted |= _service(item)
    elif isinstance(item, PersistentVolumeClaim):
        counted |= _claim(item)
    return Measured(counted)


def unnamed(pod: Pod, limits: Limits) -> list[str]:
    """What a quota bounds and a container of the pod does not say: ``limits.cpu for: c1,c2``. A pod that says it as a
    whole need not say it of each container.
    """
    if is_said_of_pod(pod.spec):
        return []
    wanted = [name for name in _PER_CONTAINER if name in limits.hard]
    containers = [*pod.spec.containers, *pod.spec.init_containers]
    missing = {name: [one.name for one in containers if not _says(one, name)] for name in wanted}
    return [f"{name} for: {','.join(sorted(names))}" for name, names in sorted(missing.items()) if names]


def _says(container: Container, name: str) -> bool:
    part, _, resource = name.rpartition(".")
    resources = container.resources
    return resources is not None and resource in getattr(resources, part or "requests")


def _pod(pod: Pod) -> Usage:
    spec = pod.spec
    usage: Usage = {"pods": Decimal(1)}
    beside = {name: amount.value for name, amount in spec.overhead.items()}
    requests = {name: amount.value for name, amount in total(spec, "requests").items()}
    for name in requests | beside:
        amount = requests.get(name, Decimal(0)) + beside.get(name, Decimal(0))
        usage[f"requests.{name}"] = amount
        if name in AMOUNTS:
            usage[name] = amount
    for name, limit in total(spec, "limits").items():
        if name in AMOUNTS:
            usage[f"limits.{name}"] = limit.value + beside.get(name, Decimal(0))
    return usage


def _overdue_at(pod: Pod) -> float | None:
    """Its grace is in the time of its deletion already; it has the same once more."""
    going = pod.metadata.deletion_timestamp
    if going is None or pod.status.phase in _OVER:
        return None
    return going.timestamp() + (pod.metadata.deletion_grace_period_seconds or 0)


def _scopes(pod: Pod) -> frozenset[str]:
    spec = pod.spec
    found = {
        "NotTerminating" if spec.active_deadline_seconds is None else "Terminating",
        "BestEffort" if pod.status.qos_class == "BestEffort" else "NotBestEffort",
    }
    if spec.priority_class_name:
        found.add("PriorityClass")
    if _looks_abroad(spec.affinity):
        found.add("CrossNamespacePodAffinity")
    return frozenset(found)


def _looks_abroad(affinity: Any) -> bool:
    """Whether a term of the pod's affinity is about pods of other namespaces."""
    for part in ("pod_affinity", "pod_anti_affinity"):
        wishes = getattr(affinity, part, None)
        if wishes is None:
            continue
        preferred = [one.pod_affinity_term for one in wishes.preferred_during_scheduling_ignored_during_execution]
        for term in [*wishes.required_during_scheduling_ignored_during_execution, *preferred]:
            if term is not None and (term.namespaces or term.namespace_selector is not None):
                return True
    return False


def _service(service: Service) -> Usage:
    spec = service.spec
    ports = Decimal(len(spec.ports))
    if spec.type == "NodePort":
        return {"services.nodeports": ports}
    if spec.type != "LoadBalancer":
        return {}
    if spec.allocate_load_balancer_node_ports is False:
        # Only those asked for by number.
        ports = Decimal(sum(bool(port.node_port) for port in spec.ports))
    return {"services.loadbalancers": Decimal(1), "services.nodeports": ports}


def _claim(claim: PersistentVolumeClaim) -> Usage:
    resources = claim.spec.resources
    asked = resources.requests.get("storage") if resources is not None else None
    usage: Usage = {"requests.storage": asked.value} if asked is not None else {}
    if claim.spec.storage_class_name:
        of_class = f"{claim.spec.storage_class_name}.storageclass.storage.k8s.io"
        usage[f"{of_class}/persistentvolumeclaims"] = Decimal(1)
        if asked is not None:
            usage[f"{of_class}/requests.storage"] = asked.value
    return usage

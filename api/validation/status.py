"""What is wrong with a status, kind by kind: what components tell is checked too, in Kubernetes' words.

Source: k8s.io/kubernetes, pkg/apis/core/validation, pkg/apis/apps/validation and pkg/apis/policy/validation.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from api.apps import Deployment, ReplicaSet
from api.apps_sets import DaemonSet, StatefulSet
from api.core import (
    ContainerStatus,
    Namespace,
    Node,
    PersistentVolumeClaim,
    Pod,
    PodSpec,
    ReplicationController,
    Service,
)
from api.errors import FieldError, forbidden, invalid
from api.formats import dns_subdomain, ip
from api.meta import Object
from api.policy import PodDisruptionBudget
from api.struct import wire_name

_NEGATIVE = "must be greater than or equal to 0"
_REPLICAS = ("replicas", "fully_labeled_replicas", "ready_replicas", "available_replicas", "observed_generation")
_DAEMONS = (
    *("current_number_scheduled", "number_misscheduled", "desired_number_scheduled", "number_ready"),
    *("observed_generation", "updated_number_scheduled", "number_available", "number_unavailable"),
)
_SET = ("replicas", "ready_replicas", "current_replicas", "updated_replicas", "observed_generation")
_DEPLOYMENT = (
    *("observed_generation", "replicas", "updated_replicas", "ready_replicas", "available_replicas"),
    "unavailable_replicas",
)
_BUDGET = ("disruptions_allowed", "current_healthy", "desired_healthy", "expected_pods")


def status_errors(new: Object, old: Object) -> list[FieldError]:
    """What is wrong with a status that is to be written; empty when nothing is. A pod's restart policy is not looked at
    here: see ``state_errors``."""
    rule = _RULES.get(type(new))
    return list(rule(new, old)) if rule is not None else []


def _counts(status: Any, names: tuple[str, ...]) -> Iterable[FieldError]:
    """Numbers that are negative."""
    for name in names:
        value = getattr(status, name)
        if value is not None and value < 0:
            yield invalid(f"status.{wire_name(name)}", value, _NEGATIVE)


def _bounded(status: Any, names: tuple[str, ...], ready: str = "readyReplicas") -> Iterable[FieldError]:
    """Parts that are more than the whole."""
    for name in names:
        if getattr(status, name) > status.replicas:
            yield invalid(f"status.{wire_name(name)}", getattr(status, name), "cannot be greater than status.replicas")
    if "available_replicas" in names and status.available_replicas > status.ready_replicas:
        yield invalid("status.availableReplicas", status.available_replicas, f"cannot be greater than {ready}")


def _replicas(new: Any, _: Any) -> Iterable[FieldError]:
    yield from _counts(new.status, _REPLICAS)
    yield from _bounded(new.status, ("fully_labeled_replicas", "ready_replicas", "available_replicas"))


def _deployment(new: Deployment, old: Deployment) -> Iterable[FieldError]:
    yield from _counts(new.status, (*_DEPLOYMENT, "collision_count"))
    yield from _bounded(new.status, ("updated_replicas", "ready_replicas", "available_replicas"))
    yield from _collisions(new, old)


def _stateful_set(new: StatefulSet, old: StatefulSet) -> Iterable[FieldError]:
    yield from _counts(new.status, (*_SET, "available_replicas", "collision_count"))
    parts = ("ready_replicas", "current_replicas", "updated_replicas", "available_replicas")
    yield from _bounded(new.status, parts, "status.readyReplicas")
    yield from _collisions(new, old)


def _daemon_set(new: DaemonSet, old: DaemonSet) -> Iterable[FieldError]:
    yield from _counts(new.status, (*_DAEMONS, "collision_count"))
    yield from _collisions(new, old)


def _collisions(new: Any, old: Any) -> Iterable[FieldError]:
    """Names of later revisions are made of this number: to count down would make one a second time."""
    count, before = new.status.collision_count, old.status.collision_count
    if before is not None and (count is None or count < before):
        yield invalid("status.collisionCount", count, "cannot be decremented")


def _budget(new: PodDisruptionBudget, _: Any) -> Iterable[FieldError]:
    yield from _counts(new.status, _BUDGET)


def _namespace(new: Namespace, _: Any) -> Iterable[FieldError]:
    ends = new.metadata.deletion_timestamp is not None
    wanted = "Terminating" if ends else "Active"
    if new.status.phase != wanted:
        when = "is not empty" if ends else "is empty"
        yield invalid("status.Phase", new.status.phase, f"may only be '{wanted}' if `deletionTimestamp` {when}")


def _node(new: Node, old: Node) -> Iterable[FieldError]:
    for name, amount in new.status.capacity.items():
        if amount.value < 0:
            yield invalid(f"status.capacity.{name}", str(amount), _NEGATIVE)
    if new.status.addresses != old.status.addresses:
        seen = set()
        for index, address in enumerate(new.status.addresses):
            if (one := (address.type, address.address)) in seen:
                told = f'Duplicate value: {{"type":"{address.type}","address":"{address.address}"}}'
                yield FieldError(f"status.addresses[{index}]", "FieldValueDuplicate", told)
            seen.add(one)


def _service(new: Service, _: Any) -> Iterable[FieldError]:
    for index, ingress in enumerate(new.status.load_balancer.ingress):
        path = f"status.loadBalancer.ingress[{index}]"
        if ingress.ip and ip(ingress.ip):
            yield invalid(f"{path}.ip", ingress.ip, "must be a valid IP address")
        if ingress.hostname and (wrong := dns_subdomain(ingress.hostname)):
            yield invalid(f"{path}.hostname", ingress.hostname, wrong)
        if ingress.hostname and not ip(ingress.hostname):
            yield invalid(f"{path}.hostname", ingress.hostname, "must be a DNS name, not an IP address")


def _claim(new: PersistentVolumeClaim, _: Any) -> Iterable[FieldError]:
    for name, amount in new.status.capacity.items():
        if amount.value < 0:
            yield invalid(f"status.capacity[{name}]", str(amount), "must be a valid resource quantity")


def _pod(new: Pod, old: Pod) -> Iterable[FieldError]:
    status = new.status
    nominated = status.nominated_node_name
    if nominated and nominated != old.status.nominated_node_name and (wrong := dns_subdomain(nominated)):
        yield invalid("status.nominatedNodeName", nominated, wrong)
    if status.pod_ip == old.status.pod_ip and status.pod_ips == old.status.pod_ips:
        return
    addresses = [one.ip for one in status.pod_ips] or ([status.pod_ip] if status.pod_ip else [])
    for index, address in enumerate(addresses):
        if wrong := ip(address):
            yield invalid(f"status.podIPs[{index}]", address, wrong)


def runs_again(new: Pod, old: Pod) -> bool:
    """Whether a container that had ended is told not to have, so that ``state_errors`` has something to look at."""
    return any(True for _ in _again(new, old))


def state_errors(new: Pod, old: Pod, spec: PodSpec) -> list[FieldError]:
    """Containers that run again though the pod's policy is that they do not."""
    if spec.restart_policy == "Always":
        return []
    return [
        forbidden(f"status.{wire_name(part)}[{index}].state", "may not be transitioned to non-terminated state")
        for part, index, before in _again(new, old)
        if not _may_retry(before, spec)
    ]


def _again(new: Pod, old: Pod) -> Iterator[tuple[str, int, ContainerStatus]]:
    """Where a container stands in the new status that had ended and there has not; and how it had ended."""
    for part in ("container_statuses", "init_container_statuses"):
        ended = {one.name: one for one in getattr(old.status, part) if _is_over(one)}
        for index, one in enumerate(getattr(new.status, part)):
            if one.name in ended and not _is_over(one):
                yield part, index, ended[one.name]


def _is_over(status: ContainerStatus) -> bool:
    return status.state.terminated is not None


def _may_retry(status: ContainerStatus, spec: PodSpec) -> bool:
    assert status.state.terminated is not None
    return spec.restart_policy == "OnFailure" and status.state.terminated.exit_code != 0


_RULES: dict[type[Object], Callable[[Any, Any], Iterable[FieldError]]] = {
    DaemonSet: _daemon_set,
    Deployment: _deployment,
    Namespace: _namespace,
    Node: _node,
    PersistentVolumeClaim: _claim,
    Pod: _pod,
    PodDisruptionBudget: _budget,
    ReplicaSet: _replicas,
    ReplicationController: _replicas,
    Service: _service,
    StatefulSet: _stateful_set,
}

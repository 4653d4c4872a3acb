"""What the server itself sets on an object that is written, kind by kind.

The rule: a client decides over the wanted state, components over the status, the server over identity and history. What
a write may not change is put back silently where Kubernetes does so; what it must not try is validation's to refuse.
"""

import os
import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from api.apps import Deployment
from api.apps_sets import DaemonSet
from api.core import Namespace, NamespaceStatus, Pod, PodStatus, Service, ServiceStatus
from api.core.quota import LimitRange
from api.discovery import EndpointSlice
from api.meta import Object, ObjectMeta
from api.qos import qos_class
from api.resources import Resource
from api.scalars import now, whole_number
from master.apiserver.registry import conflict
from master.apiserver.service_shapes import keep_numbers

DEPRECATED_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_NAME_MAX = 63
_SUFFIX_LENGTH = 5
_SUFFIX_BITS = 64


# Kinds of which Kubernetes counts the generations; a priority class stays at its first.
_GENERATIONS = frozenset(
    (
        *("DaemonSet", "Deployment", "EndpointSlice", "PodDisruptionBudget", "PriorityClass", "ReplicaSet"),
        *("ReplicationController", "StatefulSet"),
    )
)


def generated_name(prefix: str) -> str:
    """The prefix and five letters or digits that make no words."""
    number, letters = random.getrandbits(_SUFFIX_BITS), _SUFFIX_LETTERS
    suffix = ""
    for _ in range(_SUFFIX_LENGTH):
        number, index = divmod(number, len(letters))
        suffix += letters[index]
    return prefix[: _NAME_MAX - _SUFFIX_LENGTH] + suffix


def new_uid() -> str:
    """A random UUID (RFC 9562, version 4); a quarter of the time of the uuid module's, once for each create."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def prepare_create(resource: Resource, new: Object, namespace: str) -> None:
    """Identity and history of a new object, and the status it begins with."""
    metadata = new.metadata
    metadata.namespace = namespace if resource.namespaced else ""
    metadata.uid = new_uid()
    metadata.creation_timestamp = now()
    metadata.deletion_timestamp = None
    metadata.deletion_grace_period_seconds = None
    metadata.resource_version = ""
    metadata.managed_fields = []
    metadata.generation = 1 if resource.kind in _GENERATIONS else 0
    if isinstance(new, DaemonSet):
        metadata.annotations[DEPRECATED_TEMPLATE_GENERATION] = "1"
    if isinstance(new, LimitRange) and not metadata.name and not metadata.generate_name:
        metadata.name = new_uid()
    first_status = _FIRST_STATUS.get(type(new))
    if first_status is not None:
        first_status(new)
    elif resource.status and resource.kind != "Node":
        # A node registers itself together with its status.
        _status_of(new, type(_get_status(new))())


def _service(service: Service) -> None:
    service.status = ServiceStatus()
    if service.spec.cluster_ips and not service.spec.cluster_ip:
        service.spec.cluster_ip = service.spec.cluster_ips[0]


def _pod(pod: Pod) -> None:
    pod.status = PodStatus(phase="Pending", qos_class=qos_class(pod.spec))


def _namespace(namespace: Namespace) -> None:
    namespace.status = NamespaceStatus(phase="Active")
    if "kubernetes" not in namespace.spec.finalizers:
        # Without it nobody would empty the namespace.
        namespace.spec.finalizers = [*namespace.spec.finalizers, "kubernetes"]


_FIRST_STATUS: dict[type[Object], Callable[[Any], None]] = {
    Pod: _pod,
    Namespace: _namespace,
    Service: _service,
}


def _get_status(item: Any) -> Any:
    return item.status


def _status_of(item: Any, status: Any) -> None:
    item.status = status


def prepare_update(resource: Resource, new: Object, old: Object) -> None:
    """A write of the wanted state: the status stays; the generation counts a change of the spec."""
    _keep_history(resource, new, old)
    if resource.status:
        _status_of(new, _get_status(old))
    if isinstance(new, Service) and isinstance(old, Service):
        keep_numbers(new, old)
    if isinstance(new, Namespace) and isinstance(old, Namespace):
        new.spec.finalizers = list(old.spec.finalizers)


def prepare_status(resource: Resource, new: Any, old: Any) -> None:
    """A write of the status: the wanted state stays. What of the metadata may be written with it is Kubernetes'
    choice: all of it, but for the owners of a pod and the labels of a deployment."""
    _keep_history(resource, new, old)
    new.spec = old.spec
    if isinstance(new, Pod):
        # It follows from the spec.
        new.status.qos_class = new.status.qos_class or old.status.qos_class
        new.metadata.owner_references = list(old.metadata.owner_references)
    if isinstance(new, Deployment):
        new.metadata.labels = dict(old.metadata.labels)


def prepare_finalize(resource: Resource, new: Namespace, old: Namespace) -> None:
    """A write of a namespace's finalizers: the status stays."""
    _keep_history(resource, new, old)
    new.status = old.status


def prepare_ephemeral(new: Pod, old: Pod) -> None:
    """A write of the ephemeral containers: all else stays."""
    new.spec = replace(old.spec, ephemeral_containers=new.spec.ephemeral_containers)
    new.status, new.metadata = old.status, replace(old.metadata)


def count_generation(resource: Resource, new: Any, old: Any) -> None:
    """To be called when the new object is complete: a change of the spec is a new generation."""
    if resource.kind not in _GENERATIONS:
        return
    changed = resource.status and new.spec != old.spec
    if isinstance(new, EndpointSlice):
        changed = any(getattr(new, part) != getattr(old, part) for part in ("endpoints", "ports", "address_type"))
        changed = changed or new.metadata.labels != old.metadata.labels
    # A deployment's controller copies its annotations to its replica sets.
    noted = isinstance(new, Deployment) and new.metadata.annotations != old.metadata.annotations
    if isinstance(new, DaemonSet) and isinstance(old, DaemonSet):
        _count_template(new, old)
    if changed or noted:
        new.metadata.generation = old.metadata.generation + 1


def _count_template(new: DaemonSet, old: DaemonSet) -> None:
    """Kubernetes' controller goes by the hash of a template since 1.7, and tells its number still."""
    told = whole_number(old.metadata.annotations.get(DEPRECATED_TEMPLATE_GENERATION, ""))
    number = (1 if told is None else told) + (new.spec.template != old.spec.template)
    new.metadata.annotations[DEPRECATED_TEMPLATE_GENERATION] = str(number)


def check_uid(resource: Resource, wanted: ObjectMeta, present: ObjectMeta) -> None:
    """Raises Conflict when the client means another object of the same name."""
    if wanted.uid and wanted.uid != present.uid:
        why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {present.uid}"
        raise conflict(resource, present.name, why)


def _keep_history(resource: Resource, new_object: Object, old_object: Object) -> None:
    new, old = new_object.metadata, old_object.metadata
    check_uid(resource, new, old)
    new.uid = old.uid
    new.namespace = new.namespace or old.namespace
    new.creation_timestamp = old.creation_timestamp
    new.deletion_timestamp = old.deletion_timestamp
    new.deletion_grace_period_seconds = old.deletion_grace_period_seconds
    new.generation = old.generation
    new.generate_name = new.generate_name or old.generate_name
    new.managed_fields = []

"""Whether an object keeps the rules. All faults are found, each with the path of its field.

What a declaration says (required, enum, bounds, form) is checked for every part in ``declared``; what depends on
several fields stands in the file of the kind.
"""

from collections.abc import Callable
from typing import Any

from api.apps import Deployment, ReplicaSet
from api.apps_sets import DaemonSet, StatefulSet
from api.core import (
    ConfigMap,
    Endpoints,
    Event,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodTemplate,
    ReplicationController,
    Secret,
    Service,
)
from api.core.quota import LimitRange, ResourceQuota
from api.errors import FieldError
from api.meta import Object
from api.policy import PodDisruptionBudget
from api.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from api.scheduling import PriorityClass
from api.storage import StorageClass
from api.validation.config import (
    config_map_errors,
    config_map_update_errors,
    secret_errors,
    secret_update_errors,
)
from api.validation.declared import declared_errors, declared_metadata_errors, immutable_errors
from api.validation.event import core_event_errors
from api.validation.metadata import metadata_errors, metadata_update_errors
from api.validation.namespace import namespace_name_errors
from api.validation.network import endpoints_errors
from api.validation.node import node_errors
from api.validation.pod import ephemeral_update_errors, pod_create_errors, pod_errors, pod_update_errors
from api.validation.policy import budget_errors
from api.validation.quota import (
    limit_range_errors,
    priority_class_errors,
    resource_quota_errors,
    resource_quota_update_errors,
)
from api.validation.rbac import (
    binding_errors,
    binding_update_errors,
    cluster_binding_errors,
    cluster_role_errors,
    role_errors,
)
from api.validation.service import service_errors, service_update_errors
from api.validation.storage import (
    claim_errors,
    claim_update_errors,
    storage_class_errors,
    volume_errors,
    volume_update_errors,
)
from api.validation.workload import (
    deployment_errors,
    pod_template_errors,
    replica_set_errors,
    replication_controller_errors,
    selector_update_errors,
    set_errors,
    stateful_set_update_errors,
)

_CREATE: dict[type[Object], Callable[[Any], list[FieldError]]] = {
    DaemonSet: set_errors,
    PodDisruptionBudget: budget_errors,
    StatefulSet: set_errors,
    ClusterRole: cluster_role_errors,
    ClusterRoleBinding: cluster_binding_errors,
    LimitRange: limit_range_errors,
    PriorityClass: priority_class_errors,
    ResourceQuota: resource_quota_errors,
    Role: role_errors,
    RoleBinding: binding_errors,
    ConfigMap: config_map_errors,
    Deployment: deployment_errors,
    Endpoints: endpoints_errors,
    Event: core_event_errors,
    Namespace: namespace_name_errors,
    Node: node_errors,
    PersistentVolume: volume_errors,
    PersistentVolumeClaim: claim_errors,
    Pod: pod_errors,
    PodTemplate: pod_template_errors,
    ReplicaSet: replica_set_errors,
    ReplicationController: replication_controller_errors,
    Secret: secret_errors,
    Service: service_errors,
    StorageClass: storage_class_errors,
}
_UPDATE: dict[type[Object], Callable[[Any, Any], list[FieldError]]] = {
    ClusterRoleBinding: binding_update_errors,
    ConfigMap: config_map_update_errors,
    DaemonSet: selector_update_errors,
    ResourceQuota: resource_quota_update_errors,
    RoleBinding: binding_update_errors,
    Deployment: selector_update_errors,
    PersistentVolume: volume_update_errors,
    PersistentVolumeClaim: claim_update_errors,
    Pod: pod_update_errors,
    ReplicaSet: selector_update_errors,
    Secret: secret_update_errors,
    Service: service_update_errors,
    StatefulSet: stateful_set_update_errors,
}


_NEW: dict[type[Object], Callable[[Any], list[FieldError]]] = {Pod: pod_create_errors}


def validate_create(item: Object) -> list[FieldError]:
    """What is wrong with a new object; empty when nothing is. Defaults have been applied."""
    rule = _NEW.get(type(item))
    return _once(_state_errors(item) + (rule(item) if rule else []))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """What is wrong with a changed object; empty when nothing is."""
    rule = _UPDATE.get(type(new))
    changes = metadata_update_errors(new, old) + immutable_errors(new, old) + (rule(new, old) if rule else [])
    return _once(_state_errors(new) + changes)


def validate_beside_spec(new: Object, old: Object) -> list[FieldError]:
    """What is wrong with an object of which nothing but metadata and status may have changed: no rule depends on the
    status, so it is all in the metadata."""
    declared = declared_metadata_errors(new.metadata, "metadata")
    return _once(metadata_errors(new) + declared + metadata_update_errors(new, old))


def validate_ephemeral_containers(new: Pod, old: Pod) -> list[FieldError]:
    """What is wrong with a pod to which containers were added; nothing else in it has changed."""
    return _once(_state_errors(new) + metadata_update_errors(new, old) + ephemeral_update_errors(new, old))


def _state_errors(item: Object) -> list[FieldError]:
    # Events are written by machines by the thousand; Kubernetes checks no more of them either.
    declared = [] if isinstance(item, Event) else declared_errors(item)
    rule = _CREATE.get(type(item))
    return metadata_errors(item) + declared + (rule(item) if rule else [])


def _once(errors: list[FieldError]) -> list[FieldError]:
    return list(dict.fromkeys(errors))

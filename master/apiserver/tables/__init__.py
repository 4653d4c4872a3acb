"""Tables: what ``kubectl get`` shows, with Kubernetes' own columns for each kind (``meta.k8s.io`` Table).

A kind without a line here is shown with its name and age.
"""

from api.apps import Deployment, ReplicaSet
from api.coordination import Lease
from api.core import (
    ComponentStatus,
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
    ServiceAccount,
)
from api.core.quota import LimitRange, ResourceQuota
from api.discovery import EndpointSlice
from api.meta import Object
from api.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from api.scheduling import PriorityClass
from master.apiserver.tables import access, event, node, others, pod, quota, service, storage, workload
from master.apiserver.tables.column import TableShape

_SHAPES: dict[type[Object], TableShape] = {
    ClusterRole: access.ROLE,
    ClusterRoleBinding: access.BINDING,
    LimitRange: quota.LIMIT_RANGE,
    PriorityClass: quota.PRIORITY,
    ResourceQuota: quota.QUOTA,
    Role: access.ROLE,
    RoleBinding: access.BINDING,
    ComponentStatus: others.COMPONENT_STATUS,
    ConfigMap: others.CONFIG_MAP,
    Deployment: workload.DEPLOYMENT,
    Endpoints: service.ENDPOINTS,
    EndpointSlice: service.ENDPOINT_SLICE,
    Event: event.SHAPE,
    Lease: others.LEASE,
    Namespace: others.NAMESPACE,
    Node: node.SHAPE,
    PersistentVolume: storage.VOLUME,
    PersistentVolumeClaim: storage.CLAIM,
    Pod: pod.SHAPE,
    PodTemplate: workload.TEMPLATE,
    ReplicaSet: workload.REPLICA_SET,
    ReplicationController: workload.CONTROLLER,
    Secret: others.SECRET,
    Service: service.SERVICE,
    ServiceAccount: others.SERVICE_ACCOUNT,
}


def shape_of(kind: type[Object]) -> TableShape:
    """How the objects of a kind are shown."""
    return _SHAPES.get(kind, others.ANY)

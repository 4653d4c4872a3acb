"""Tables: what ``kubectl get`` shows, with Kubernetes' own columns for each kind (``meta.k8s.io`` Table).

A kind without a line here is shown with its name and age.
"""

from api.apps import Deployment, ReplicaSet
from api.apps_sets import DaemonSet, StatefulSet
from api.autoscaling import Scale
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
from api.metrics import NodeMetrics, PodMetrics
from api.policy import PodDisruptionBudget
from api.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from api.scheduling import PriorityClass
from api.storage import CSIDriver, CSINode, StorageClass
from master.apiserver.tables import (
    access,
    event,
    node,
    others,
    pod,
    policy,
    quota,
    scale,
    service,
    storage,
    usage,
    workload,
)
from master.apiserver.tables.column import TableShape

_SHAPES: dict[type[Object], TableShape] = {
    CSIDriver: storage.CSI_DRIVER,
    CSINode: storage.CSI_NODE,
    ClusterRole: access.ROLE,
    ClusterRoleBinding: access.BINDING,
    LimitRange: quota.LIMIT_RANGE,
    PriorityClass: quota.PRIORITY,
    ResourceQuota: quota.QUOTA,
    Role: access.ROLE,
    RoleBinding: access.BINDING,
    ComponentStatus: others.COMPONENT_STATUS,
    ConfigMap: others.CONFIG_MAP,
    DaemonSet: workload.DAEMON_SET,
    Deployment: workload.DEPLOYMENT,
    Endpoints: service.ENDPOINTS,
    EndpointSlice: service.ENDPOINT_SLICE,
    Event: event.SHAPE,
    Lease: others.LEASE,
    Namespace: others.NAMESPACE,
    Node: node.SHAPE,
    NodeMetrics: usage.NODE,
    PersistentVolume: storage.VOLUME,
    PersistentVolumeClaim: storage.CLAIM,
    Pod: pod.SHAPE,
    PodMetrics: usage.POD,
    PodDisruptionBudget: policy.BUDGET,
    PodTemplate: workload.TEMPLATE,
    ReplicaSet: workload.REPLICA_SET,
    ReplicationController: workload.CONTROLLER,
    Scale: scale.SHAPE,
    Secret: others.SECRET,
    Service: service.SERVICE,
    ServiceAccount: others.SERVICE_ACCOUNT,
    StatefulSet: workload.STATEFUL_SET,
    StorageClass: storage.STORAGE_CLASS,
}


def shape_of(kind: type[Object]) -> TableShape:
    """How the objects of a kind are shown."""
    return _SHAPES.get(kind, others.ANY)

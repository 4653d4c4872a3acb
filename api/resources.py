"""The one list of all that is served: to add a kind, declare its struct and add a line here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from api import events, policy_v1beta1
from api.apps import Deployment, ReplicaSet
from api.apps_sets import DaemonSet, StatefulSet
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

T = TypeVar("T", bound=Object)
_Kind = type[Object]


@dataclass(frozen=True, slots=True)
class Resource:
    """How a kind is served.

    plural: the name in paths, as ``pods``. short_names: what people type, as ``po``. categories: as ``all``.
    status: whether ``/status`` is a subresource of its own. scale: whether ``/scale`` is.
    fields: field selectors offered beside metadata.name and metadata.namespace, with their attribute paths.
    stored_as: the kind whose objects these are in another form; they are kept in its form only.
    computed: worked out when asked for, never stored; can be read and listed.
    unattended: nobody acts on these; whoever makes one is warned.
    """

    type: type[Object]
    group: str
    version: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    scale: bool = False
    fields: Mapping[str, str] | None = None
    stored_as: _Kind | None = None
    computed: bool = False
    unattended: bool = False
    # Asked for several times in every request.
    kind: str = field(init=False)
    api_version: str = field(init=False)
    qualified: str = field(init=False)
    """Resource and group as error messages show them: ``pods``, ``leases.coordination.k8s.io``."""

    def __post_init__(self) -> None:
        group = self.group
        object.__setattr__(self, "kind", self.type.__name__)
        object.__setattr__(self, "api_version", f"{group}/{self.version}" if group else self.version)
        object.__setattr__(self, "qualified", f"{self.plural}.{group}" if group else self.plural)

    @property
    def singular(self) -> str:
        return self.kind.lower()

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of the collection or object under the server's root."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{space}/{self.plural}{tail}"


_ALL = ("all",)

RESOURCES: tuple[Resource, ...] = (
    Resource(
        Pod,
        "",
        "v1",
        "pods",
        short_names=("po",),
        categories=_ALL,
        status=True,
        fields={
            "spec.nodeName": "spec.node_name",
            "spec.restartPolicy": "spec.restart_policy",
            "spec.schedulerName": "spec.scheduler_name",
            "spec.serviceAccountName": "spec.service_account_name",
            "spec.hostNetwork": "spec.host_network",
            "status.phase": "status.phase",
            "status.podIP": "status.pod_ip",
            "status.nominatedNodeName": "status.nominated_node_name",
        },
    ),
    Resource(
        ReplicationController,
        "",
        "v1",
        "replicationcontrollers",
        short_names=("rc",),
        categories=_ALL,
        status=True,
        scale=True,
        fields={"status.replicas": "status.replicas"},
    ),
    Resource(
        Service,
        "",
        "v1",
        "services",
        short_names=("svc",),
        categories=_ALL,
        status=True,
        fields={"spec.clusterIP": "spec.cluster_ip", "spec.type": "spec.type"},
    ),
    Resource(Endpoints, "", "v1", "endpoints", short_names=("ep",)),
    Resource(
        Node,
        "",
        "v1",
        "nodes",
        namespaced=False,
        short_names=("no",),
        status=True,
        fields={"spec.unschedulable": "spec.unschedulable"},
    ),
    Resource(
        Namespace,
        "",
        "v1",
        "namespaces",
        namespaced=False,
        short_names=("ns",),
        status=True,
        fields={"status.phase": "status.phase"},
    ),
    Resource(
        Event,
        "",
        "v1",
        "events",
        short_names=("ev",),
        fields={
            "involvedObject.kind": "involved_object.kind",
            "involvedObject.namespace": "involved_object.namespace",
            "involvedObject.name": "involved_object.name",
            "involvedObject.uid": "involved_object.uid",
            "involvedObject.apiVersion": "involved_object.api_version",
            "involvedObject.resourceVersion": "involved_object.resource_version",
            "involvedObject.fieldPath": "involved_object.field_path",
            "reason": "reason",
            "reportingComponent": "reporting_component",
            "source": "source.component",
            "type": "type",
        },
    ),
    Resource(ConfigMap, "", "v1", "configmaps", short_names=("cm",)),
    Resource(Secret, "", "v1", "secrets", fields={"type": "type"}),
    Resource(ServiceAccount, "", "v1", "serviceaccounts", short_names=("sa",)),
    Resource(ResourceQuota, "", "v1", "resourcequotas", short_names=("quota",), status=True),
    Resource(LimitRange, "", "v1", "limitranges", short_names=("limits",)),
    Resource(PriorityClass, "scheduling.k8s.io", "v1", "priorityclasses", namespaced=False, short_names=("pc",)),
    Resource(Role, "rbac.authorization.k8s.io", "v1", "roles"),
    Resource(ClusterRole, "rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False),
    Resource(RoleBinding, "rbac.authorization.k8s.io", "v1", "rolebindings"),
    Resource(ClusterRoleBinding, "rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False),
    Resource(PodTemplate, "", "v1", "podtemplates"),
    Resource(PersistentVolume, "", "v1", "persistentvolumes", namespaced=False, short_names=("pv",), status=True),
    Resource(PersistentVolumeClaim, "", "v1", "persistentvolumeclaims", short_names=("pvc",), status=True),
    Resource(ComponentStatus, "", "v1", "componentstatuses", namespaced=False, short_names=("cs",), computed=True),
    Resource(NodeMetrics, "metrics.k8s.io", "v1beta1", "nodes", namespaced=False, computed=True),
    Resource(PodMetrics, "metrics.k8s.io", "v1beta1", "pods", computed=True),
    Resource(Lease, "coordination.k8s.io", "v1", "leases"),
    Resource(EndpointSlice, "discovery.k8s.io", "v1", "endpointslices"),
    Resource(
        Deployment,
        "apps",
        "v1",
        "deployments",
        short_names=("deploy",),
        categories=_ALL,
        status=True,
        scale=True,
    ),
    Resource(
        ReplicaSet,
        "apps",
        "v1",
        "replicasets",
        short_names=("rs",),
        categories=_ALL,
        status=True,
        scale=True,
        fields={"status.replicas": "status.replicas"},
    ),
    Resource(
        StatefulSet,
        "apps",
        "v1",
        "statefulsets",
        short_names=("sts",),
        categories=_ALL,
        status=True,
        scale=True,
        unattended=True,
    ),
    Resource(DaemonSet, "apps", "v1", "daemonsets", short_names=("ds",), categories=_ALL, status=True, unattended=True),
    Resource(PodDisruptionBudget, "policy", "v1", "poddisruptionbudgets", short_names=("pdb",), status=True),
    Resource(
        policy_v1beta1.PodDisruptionBudget,
        "policy",
        "v1beta1",
        "poddisruptionbudgets",
        short_names=("pdb",),
        status=True,
        stored_as=PodDisruptionBudget,
    ),
    Resource(StorageClass, "storage.k8s.io", "v1", "storageclasses", namespaced=False, short_names=("sc",)),
    Resource(CSINode, "storage.k8s.io", "v1", "csinodes", namespaced=False),
    Resource(CSIDriver, "storage.k8s.io", "v1", "csidrivers", namespaced=False),
    Resource(
        events.Event,
        "events.k8s.io",
        "v1",
        "events",
        short_names=("ev",),
        stored_as=Event,
        fields={
            "regarding.kind": "regarding.kind",
            "regarding.namespace": "regarding.namespace",
            "regarding.name": "regarding.name",
            "regarding.uid": "regarding.uid",
            "regarding.apiVersion": "regarding.api_version",
            "regarding.resourceVersion": "regarding.resource_version",
            "regarding.fieldPath": "regarding.field_path",
            "reason": "reason",
            "reportingController": "reporting_controller",
            "type": "type",
        },
    ),
)

_BY_TYPE: dict[type[Object], Resource] = {resource.type: resource for resource in RESOURCES}
_BY_PLURAL: dict[tuple[str, str, str], Resource] = {(r.group, r.version, r.plural): r for r in RESOURCES}
_BY_KIND: dict[tuple[str, str], Resource] = {(r.api_version, r.kind): r for r in RESOURCES}


def resource_of(kind: type[Object]) -> Resource:
    """How a type is served. Raises KeyError for a type that is not."""
    return _BY_TYPE[kind]


def find(group: str, version: str, plural: str) -> Resource | None:
    return _BY_PLURAL.get((group, version, plural))


def find_kind(api_version: str, kind: str) -> Resource | None:
    return _BY_KIND.get((api_version, kind))


def field_value(item: Object, path: str) -> str:
    """The text of an attribute path (``spec.node_name``) for field selectors; empty where any step is absent."""
    value: object = item
    for step in path.split("."):
        value = getattr(value, step, None)
        if value is None:
            return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

"""Fills in what the client left out.

First the fixed defaults of the declarations (``F.default``), for the object and all its parts; then, for a few kinds,
what depends on other fields. Nothing that the client wrote is changed, but for what has no meaning
without another field.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from api.apps import Deployment, DeploymentStrategy, ReplicaSet, RollingUpdateDeployment
from api.apps_sets import (
    DaemonSet,
    DaemonSetUpdateStrategy,
    RollingUpdateDaemonSet,
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetUpdateStrategy,
)
from api.core import (
    ClientIPConfig,
    Container,
    DaemonEndpoint,
    EmptyDirVolumeSource,
    Namespace,
    Node,
    NodeDaemonEndpoints,
    NodeSystemInfo,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodSecurityContext,
    PodSpec,
    PodTemplate,
    ReplicationController,
    ResourceRequirements,
    Secret,
    Service,
    ServiceSpec,
    SessionAffinityConfig,
    Volume,
)
from api.core.quota import LimitRange
from api.meta import Object
from api.pod_resources import complete_whole
from api.qos import qos_class
from api.rbac import GROUP, ClusterRoleBinding, RoleBinding
from api.schema import fields_of
from api.storage import CSIDriver
from api.struct import Struct

_Fixed = tuple[str, Any, Any]
_Plan = tuple[tuple[_Fixed, ...], tuple[tuple[str, str], ...]]


def apply(item: Object) -> None:
    """Completes an object in place."""
    # The rules of a kind come first: some of them make parts that have fixed defaults of their own.
    rule = _RULES.get(type(item))
    if rule is not None:
        rule(item)
    _fill(item)


def apply_to_status(item: Object) -> None:
    """As ``apply``, for an object of which all but status and metadata was completed before."""
    rule = _STATUS_RULES.get(type(item))
    if rule is None:
        apply(item)
        return
    rule(item)
    _fill(item.metadata)
    _fill(getattr(item, "status"))  # noqa: B009 - the kinds of the rules have one


@cache
def _plan(kind: type[Struct]) -> _Plan:
    """For one part: its fixed defaults as (attribute, absent value, default), and its fields with defaults further
    down."""
    absent = {field.name: field.default for field in msgspec.structs.fields(kind)}
    fixed: list[_Fixed] = []
    below: list[tuple[str, str]] = []
    for field in fields_of(kind):
        if field.spec.default is not None:
            fixed.append((field.attribute, absent[field.attribute], field.spec.default))
        shape = field.shape
        part = shape.struct or (shape.item.struct if shape.item else None)
        if part is not None and any(_plan(part)):
            below.append((field.attribute, shape.form))
    return tuple(fixed), tuple(below)


def _fill(part: Any) -> None:
    kind: type[Struct] = type(part)
    fixed, below = _plan(kind)
    for attribute, absent, default in fixed:
        if getattr(part, attribute) == absent:
            setattr(part, attribute, default)
    for attribute, form in below:
        value = getattr(part, attribute)
        if value is None:
            continue
        if form == "struct":
            _fill(value)
        else:
            for item in value:
                _fill(item)


def _pod(pod: Pod) -> None:
    _pod_spec(pod.spec)
    complete_for_pods(pod.spec)
    _pod_status(pod)
    pod.status.qos_class = pod.status.qos_class or qos_class(pod.spec)


def complete_for_pods(spec: PodSpec) -> None:
    """What Kubernetes leaves open in a template, for each pod made of it to be given."""
    if spec.enable_service_links is None:
        spec.enable_service_links = True
    for container in [*spec.init_containers, *spec.containers]:
        for port in container.ports:
            if spec.host_network and not port.host_port:
                port.host_port = port.container_port
        if container.resources is not None:
            for name, limit in container.resources.limits.items():
                container.resources.requests.setdefault(name, limit)
    complete_whole(spec)


def _pod_status(pod: Pod) -> None:
    pod.status.phase = pod.status.phase or "Pending"


def _pod_spec(spec: PodSpec) -> None:
    for container in [*spec.init_containers, *spec.containers]:
        _pull_policy(container)
        container.resources = container.resources or ResourceRequirements()
    for ephemeral in spec.ephemeral_containers:
        _pull_policy(ephemeral)
    for volume in spec.volumes:
        if not any(getattr(volume, source) is not None for source in VOLUME_SOURCES):
            volume.empty_dir = EmptyDirVolumeSource()
        elif volume.image is not None and not volume.image.pull_policy:
            volume.image.pull_policy = _pull_policy_of(volume.image.reference)
    spec.security_context = spec.security_context or PodSecurityContext()
    # Two names for one thing, of which clients may write either.
    spec.service_account_name = spec.service_account_name or spec.service_account
    spec.service_account = spec.service_account_name


VOLUME_SOURCES = tuple(field.attribute for field in fields_of(Volume) if field.attribute != "name")


def _pull_policy(container: Container) -> None:
    if not container.image_pull_policy:
        container.image_pull_policy = _pull_policy_of(container.image)


def _pull_policy_of(image: str) -> str:
    return "Always" if _tag(image) == "latest" else "IfNotPresent"


def _tag(image: str) -> str:
    """The tag of an image's name: ``latest`` when it has none; empty when it is named by digest."""
    if "@" in image:
        return ""
    _, _, tag = image.rpartition("/")[2].partition(":")
    return tag or "latest"


def _replication_controller(controller: ReplicationController) -> None:
    template = controller.spec.template
    if template is None:
        return
    controller.spec.selector = controller.spec.selector or dict(template.metadata.labels)
    controller.metadata.labels = controller.metadata.labels or dict(template.metadata.labels)
    _pod_spec(template.spec)


def _replica_set(replica_set: ReplicaSet) -> None:
    template = replica_set.spec.template
    if template is None:
        return
    _pod_spec(template.spec)


def _deployment(deployment: Deployment) -> None:
    spec = deployment.spec
    strategy = spec.strategy = spec.strategy or DeploymentStrategy()
    if strategy.type in ("", "RollingUpdate"):
        strategy.rolling_update = strategy.rolling_update or RollingUpdateDeployment()
    if spec.template is not None:
        _pod_spec(spec.template.spec)


def _stateful_set(item: StatefulSet) -> None:
    strategy = item.spec.update_strategy = item.spec.update_strategy or StatefulSetUpdateStrategy()
    if strategy.type in ("", "RollingUpdate"):
        strategy.rolling_update = strategy.rolling_update or RollingUpdateStatefulSetStrategy()
    if item.spec.template is not None:
        _pod_spec(item.spec.template.spec)
    for claim in item.spec.volume_claim_templates:
        claim.api_version, claim.kind = "v1", "PersistentVolumeClaim"
        _claim(claim)


def _daemon_set(item: DaemonSet) -> None:
    strategy = item.spec.update_strategy = item.spec.update_strategy or DaemonSetUpdateStrategy()
    if strategy.type in ("", "RollingUpdate"):
        rolling = strategy.rolling_update = strategy.rolling_update or RollingUpdateDaemonSet()
        # Declared defaults of numbers or shares are shares: OpenAPI calls the type a string.
        rolling.max_unavailable = 1 if rolling.max_unavailable is None else rolling.max_unavailable
        rolling.max_surge = 0 if rolling.max_surge is None else rolling.max_surge
    if item.spec.template is not None:
        _pod_spec(item.spec.template.spec)


def _csi_driver(driver: CSIDriver) -> None:
    driver.spec.volume_lifecycle_modes = driver.spec.volume_lifecycle_modes or ["Persistent"]


def _pod_template(template: PodTemplate) -> None:
    if template.template is not None:
        _pod_spec(template.template.spec)


def _volume(volume: PersistentVolume) -> None:
    volume.status.phase = volume.status.phase or "Pending"


def _claim(claim: PersistentVolumeClaim) -> None:
    claim.status.phase = claim.status.phase or "Pending"


def _service(service: Service) -> None:
    spec = service.spec
    spec.type = spec.type or "ClusterIP"
    for port in spec.ports:
        port.target_port = port.target_port or port.port
    _affinity(spec)
    if spec.type == "ExternalName":
        return
    spec.internal_traffic_policy = spec.internal_traffic_policy or "Cluster"
    if spec.type in ("NodePort", "LoadBalancer"):
        spec.external_traffic_policy = spec.external_traffic_policy or "Cluster"
    if spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is None:
        spec.allocate_load_balancer_node_ports = True
    _families(spec)


def _families(spec: ServiceSpec) -> None:
    """A headless service without a selector has endpoints that somebody else writes: of both families."""
    by_hand = spec.cluster_ip == "None" and not spec.selector
    spec.ip_family_policy = spec.ip_family_policy or ("RequireDualStack" if by_hand else "SingleStack")
    spec.ip_families = spec.ip_families or ["IPv4"]
    if by_hand and spec.ip_family_policy != "SingleStack" and len(spec.ip_families) == 1:
        spec.ip_families = [*spec.ip_families, "IPv6" if spec.ip_families == ["IPv4"] else "IPv4"]


def _affinity(spec: ServiceSpec) -> None:
    if spec.session_affinity != "ClientIP":
        # So that a patch from ClientIP to None need not name the details too.
        spec.session_affinity_config = None
        return
    config = spec.session_affinity_config = spec.session_affinity_config or SessionAffinityConfig()
    config.client_ip = config.client_ip or ClientIPConfig()


def _namespace(namespace: Namespace) -> None:
    namespace.status.phase = namespace.status.phase or "Active"
    if namespace.metadata.name:
        namespace.metadata.labels["kubernetes.io/metadata.name"] = namespace.metadata.name


def _node(node: Node) -> None:
    status = node.status
    status.allocatable = status.allocatable or dict(status.capacity)
    # Of a node that said nothing of itself, too, clients read what it is made of.
    status.node_info = status.node_info or NodeSystemInfo()
    status.daemon_endpoints = status.daemon_endpoints or NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint())


def _secret(secret: Secret) -> None:
    for key, text in secret.string_data.items():
        secret.data[key] = text.encode()
    secret.string_data = {}


def _limit_range(limits: LimitRange) -> None:
    for item in limits.spec.limits:
        if item.type == "Container":
            item.default = {**item.max, **item.default}
            item.default_request = {**item.min, **item.default, **item.default_request}


def _role_binding(binding: RoleBinding | ClusterRoleBinding) -> None:
    for subject in binding.subjects:
        if subject.kind in ("User", "Group"):
            subject.api_group = subject.api_group or GROUP


_RULES: dict[type[Object], Callable[[Any], None]] = {
    CSIDriver: _csi_driver,
    ClusterRoleBinding: _role_binding,
    DaemonSet: _daemon_set,
    LimitRange: _limit_range,
    RoleBinding: _role_binding,
    Deployment: _deployment,
    Namespace: _namespace,
    Node: _node,
    PersistentVolume: _volume,
    PersistentVolumeClaim: _claim,
    Pod: _pod,
    PodTemplate: _pod_template,
    ReplicaSet: _replica_set,
    ReplicationController: _replication_controller,
    Secret: _secret,
    Service: _service,
    StatefulSet: _stateful_set,
}
_STATUS_RULES: dict[type[Object], Callable[[Any], None]] = {
    Node: _node,
    Pod: _pod_status,
}
"""Of the kinds whose status is written all the time: these rules do not look at the spec."""

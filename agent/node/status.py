"""What to say of the node: from facts to its NodeStatus and labels. Pure.

Reasons and messages are the kubelet's: https://kubernetes.io/docs/reference/node/node-status/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.config import Config
from agent.node.facts import MachineFacts, Pressure
from agent.node.taints import taint_of
from agent.runtime.facts import ImageFacts
from agent.version import kubelet_version
from api.core import (
    ContainerImage,
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
    Resources,
)
from api.meta import ObjectMeta
from api.scalars import Quantity

MAX_IMAGES, MAX_IMAGE_NAMES = 50, 5
_INODES_LEAST_PERCENT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeObserved:
    """What is known of the node now. problems: why no pod can be run; empty when it can."""

    machine: MachineFacts
    pressure: Pressure
    address: str
    port: int
    docker_version: str
    problems: tuple[str, ...] = ()
    images: Sequence[ImageFacts] = ()


def node_labels(name: str, machine: MachineFacts, extra: dict[str, str]) -> dict[str, str]:
    labels = {"kubernetes.io/hostname": name}
    for prefix in ("kubernetes.io", "beta.kubernetes.io"):
        labels |= {f"{prefix}/os": machine.operating_system, f"{prefix}/arch": machine.architecture}
    return labels | extra


def new_node(config: Config, observed: NodeObserved, now: datetime) -> Node:
    """The object with which the node registers."""
    labels = node_labels(config.node, observed.machine, config.node_labels)
    status = node_status(config, observed, NodeStatus(), now)
    return Node(
        metadata=ObjectMeta(name=config.node, labels=labels),
        spec=NodeSpec(
            pod_cidr=config.pod_cidr,
            pod_cidrs=[config.pod_cidr] if config.pod_cidr else [],
            taints=[taint_of(text) for text in config.register_with_taints],
        ),
        status=status,
    )


def node_status(config: Config, observed: NodeObserved, before: NodeStatus, now: datetime) -> NodeStatus:
    """The whole status. Conditions of others (NetworkUnavailable) stay."""
    now = now.replace(microsecond=0)
    capacity = _capacity(config, observed.machine)
    return NodeStatus(
        capacity=capacity,
        allocatable=_allocatable(config, capacity),
        conditions=_conditions(config, observed, before, now),
        addresses=[
            NodeAddress(type="InternalIP", address=observed.address),
            NodeAddress(type="Hostname", address=config.node),
        ],
        daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=observed.port)),
        node_info=_info(observed),
        images=_images(observed.images),
        volumes_in_use=before.volumes_in_use,
    )


def allocatable_of(config: Config, machine: MachineFacts) -> Resources:
    """What pods of the node may ask for together."""
    return _allocatable(config, _capacity(config, machine))


def _capacity(config: Config, machine: MachineFacts) -> Resources:
    return {
        "cpu": Quantity(machine.cpu_count),
        "ephemeral-storage": Quantity(f"{machine.disk_bytes // 1024}Ki"),
        "memory": Quantity(f"{machine.memory_bytes // 1024}Ki"),
        "pods": Quantity(config.max_pods),
    }


def _allocatable(config: Config, capacity: Resources) -> Resources:
    """Capacity less what is reserved, and less the memory at which pressure begins."""
    cpu_millis = capacity["cpu"].millis - Quantity(config.system_reserved_cpu).millis
    kept_bytes = Quantity(config.system_reserved_memory).units + config.memory_available_bytes
    memory_bytes = max(capacity["memory"].units - kept_bytes, 0)
    disk_bytes = int(capacity["ephemeral-storage"].units * (1 - config.disk_available_percent / 100))
    return {
        "cpu": Quantity(f"{max(cpu_millis, 0)}m"),
        "ephemeral-storage": Quantity(disk_bytes),
        "memory": Quantity(f"{memory_bytes // 1024}Ki"),
        "pods": capacity["pods"],
    }


def _info(observed: NodeObserved) -> NodeSystemInfo:
    machine = observed.machine
    return NodeSystemInfo(
        machine_id=machine.machine_id,
        system_uuid=machine.system_uuid,
        boot_id=machine.boot_id,
        kernel_version=machine.kernel_version,
        os_image=machine.os_image,
        container_runtime_version=f"docker://{observed.docker_version}",
        kubelet_version=kubelet_version(),
        kube_proxy_version=kubelet_version(),
        operating_system=machine.operating_system,
        architecture=machine.architecture,
    )


def _images(images: Sequence[ImageFacts]) -> list[ContainerImage]:
    """The largest, as the kubelet reports them: the scheduler prefers a node that has a large image already."""
    largest = sorted(images, key=lambda image: (-image.size_bytes, image.names))[:MAX_IMAGES]
    return [ContainerImage(names=list(image.names[:MAX_IMAGE_NAMES]), size_bytes=image.size_bytes) for image in largest]


def _conditions(config: Config, observed: NodeObserved, before: NodeStatus, now: datetime) -> list[NodeCondition]:
    wanted = [*_pressures(config, observed.pressure), _ready(observed)]
    old = {condition.type: condition for condition in before.conditions}
    for condition in wanted:
        condition.last_heartbeat_time = now
        known = old.get(condition.type)
        same = known is not None and known.status == condition.status
        condition.last_transition_time = known.last_transition_time if known is not None and same else now
    ours = {condition.type for condition in wanted}
    return [*(condition for condition in before.conditions if condition.type not in ours), *wanted]


def _pressures(config: Config, pressure: Pressure) -> list[NodeCondition]:
    disk = pressure.disk_available_percent < config.disk_available_percent
    disk = disk or pressure.inodes_available_percent < min(_INODES_LEAST_PERCENT, config.disk_available_percent)
    return [
        _pressure(
            "MemoryPressure",
            pressure.memory_available_bytes < config.memory_available_bytes,
            ("KubeletHasInsufficientMemory", "KubeletHasSufficientMemory", "memory available"),
        ),
        _pressure("DiskPressure", disk, ("KubeletHasDiskPressure", "KubeletHasNoDiskPressure", "disk pressure")),
        _pressure(
            "PIDPressure",
            pressure.pid_available_percent < config.pid_available_percent,
            ("KubeletHasInsufficientPID", "KubeletHasSufficientPID", "PID available"),
        ),
    ]


def _pressure(kind: str, holds: bool, words: tuple[str, str, str]) -> NodeCondition:
    bad, good, subject = words
    if subject == "disk pressure":
        message = f"kubelet has {'' if holds else 'no '}disk pressure"
    else:
        message = f"kubelet has {'insufficient' if holds else 'sufficient'} {subject}"
    return NodeCondition(type=kind, status="True" if holds else "False", reason=bad if holds else good, message=message)


def _ready(observed: NodeObserved) -> NodeCondition:
    if observed.problems:
        return NodeCondition(
            type="Ready", status="False", reason="KubeletNotReady", message="; ".join(observed.problems)
        )
    return NodeCondition(type="Ready", status="True", reason="KubeletReady", message="kubelet is posting ready status")


def same_but_heartbeat(one: NodeStatus, other: NodeStatus) -> bool:
    """Whether two statuses say the same at different times."""
    return _without_heartbeat(one) == _without_heartbeat(other)


def _without_heartbeat(status: NodeStatus) -> tuple[object, ...]:
    conditions = [(c.type, c.status, c.reason, c.message) for c in status.conditions]
    return (
        status.capacity, status.allocatable, conditions, status.addresses, status.daemon_endpoints, status.node_info,
        status.images,
    )  # fmt: skip

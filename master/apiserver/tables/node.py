"""Nodes: ``Ready,SchedulingDisabled``."""

from datetime import datetime
from typing import Any

from api.core import Node, NodeSystemInfo
from master.apiserver.tables.cells import NONE, UNKNOWN, age
from master.apiserver.tables.column import AGE, NAME, Column, TableShape, wide

_ROLE_PREFIX = "node-role.kubernetes.io/"


def _cells(node: Node, now: datetime) -> list[Any]:
    info = node.status.node_info or NodeSystemInfo()
    return [
        node.metadata.name,
        _status(node),
        _roles(node.metadata.labels),
        age(node.metadata.creation_timestamp, now),
        info.kubelet_version,
        _address(node, "InternalIP"),
        _address(node, "ExternalIP"),
        info.os_image or UNKNOWN,
        info.kernel_version or UNKNOWN,
        info.container_runtime_version or UNKNOWN,
    ]


def _status(node: Node) -> str:
    ready = next((item.status for item in node.status.conditions if item.type == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if node.spec.unschedulable:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(labels: dict[str, str]) -> str:
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    roles.add(labels.get("kubernetes.io/role", ""))
    return ",".join(sorted(role for role in roles if role)) or NONE


def _address(node: Node, kind: str) -> str:
    return next((item.address for item in node.status.addresses if item.type == kind), NONE)


SHAPE = TableShape(
    (
        NAME,
        Column("Status", "Whether the node is ready, and whether new pods may come."),
        Column("Roles", "Roles of the node, from its labels."),
        AGE,
        Column("Version", "Version of the node agent."),
        wide("Internal-IP", "Address inside the cluster."),
        wide("External-IP", "Address outside the cluster."),
        wide("OS-Image", "Distribution."),
        wide("Kernel-Version", "Kernel."),
        wide("Container-Runtime", "Container runtime."),
    ),
    _cells,
)

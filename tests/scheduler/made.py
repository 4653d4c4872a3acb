"""Nodes and pods, written as people write them."""

from typing import Any

from api.codec import convert
from api.core import Node, Pod
from api.defaulting import apply
from master.scheduler.cluster import Cluster, NodeState

READY = [{"type": "Ready", "status": "True"}]


def node(name: str = "n", *, labels: dict[str, str] | None = None, **parts: Any) -> Node:
    """A ready node of 4 cores, 8 GiB and ten pods. ``spec`` is its spec; all else is of its status."""
    spec = parts.pop("spec", {})
    room = {"cpu": "4", "memory": "8Gi", "pods": "10", **parts.pop("room", {})}
    status = {"conditions": READY, "allocatable": room, "capacity": room, **parts}
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return convert({"metadata": metadata, "spec": spec, "status": status}, Node)


def pod(name: str = "p", *, owner: str = "", **spec: Any) -> Pod:
    """``cpu`` and ``memory`` are requests of its one container, unless ``containers`` are given."""
    requests = {key: spec.pop(key) for key in ("cpu", "memory", "gpu") if key in spec}
    container = {"name": "c", "image": "web:1", "resources": {"requests": requests}, "ports": spec.pop("ports", [])}
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "uid": name}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "X", "name": owner, "uid": owner}]
    item = convert({"metadata": metadata, "spec": {"containers": [container], **spec}}, Pod)
    apply(item)
    return item


def state(of: Node | None = None, *pods: Pod) -> NodeState:
    """A node with pods on it."""
    item = of or node()
    cluster = Cluster()
    cluster.set_node(item)
    for one in pods:
        cluster.place(one, item.metadata.name)
    return cluster.nodes[item.metadata.name]

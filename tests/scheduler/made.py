"""Nodes and pods, written as people write them."""

from typing import Any

from api.codec import convert
from api.core import Node, Pod
from api.defaulting import apply
from master.scheduler.cluster import Cluster
from master.scheduler.decision import Choice, Chooser
from master.scheduler.looking import view_of
from master.scheduler.nodestate import NodeState
from master.scheduler.profile import Profile
from master.scheduler.volumes import Volumes
from master.scheduler.wish import Wish

READY = [{"type": "Ready", "status": "True"}]


def node(name: str = "n", *, labels: dict[str, str] | None = None, **parts: Any) -> Node:
    """A ready node of 4 cores, 8 GiB and ten pods. ``spec`` is its spec; all else is of its status."""
    spec = parts.pop("spec", {})
    room = {"cpu": "4", "memory": "8Gi", "pods": "10", **parts.pop("room", {})}
    status = {"conditions": READY, "allocatable": room, "capacity": room, **parts}
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return convert({"metadata": metadata, "spec": spec, "status": status}, Node)


def pod(name: str = "p", *, owner: str = "", labels: dict[str, str] | None = None, **spec: Any) -> Pod:
    """``cpu``, ``memory`` and the like are requests of its one container, unless ``containers`` are given."""
    asked = {"cpu": "cpu", "memory": "memory", "gpu": "example.com/gpu", "disk": "ephemeral-storage"}
    requests = {resource: spec.pop(key) for key, resource in asked.items() if key in spec}
    container = {"name": "c", "image": "web:1", "resources": {"requests": requests}, "ports": spec.pop("ports", [])}
    namespace = spec.pop("namespace", "default")
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": name, "labels": labels or {}}
    if owner:
        kind = {"apiVersion": "v1", "kind": "X", "controller": True}
        metadata["ownerReferences"] = [{**kind, "name": owner, "uid": owner}]
    item = convert({"metadata": metadata, "spec": {"containers": [container], **spec}}, Pod)
    apply(item)
    return item


def cluster(*nodes: Node, **pods: list[Pod]) -> Cluster:
    """Nodes, and by node name the pods on each."""
    made = Cluster()
    made.tallies.set_space("default", {"kubernetes.io/metadata.name": "default"})
    for one in nodes:
        made.set_node(one)
    for name, there in pods.items():
        for each in there:
            made.place(Wish.of(each), name)
    return made


def state(of: Node | None = None, *pods: Pod) -> NodeState:
    """A node with pods on it."""
    item = of or node()
    return cluster(item, **{item.metadata.name: list(pods)}).nodes[item.metadata.name]


def refusal(one: Pod, places: Cluster, name: str, *, volumes: Volumes | None = None) -> tuple[str, ...]:
    """Why a pod cannot run on a node of a cluster."""
    wish = Wish.of(one)
    wish.view = view_of(wish, places)
    if volumes is not None:
        wish.volumes = volumes
    found = Profile().refusal(wish, places.nodes[name])
    return found.reasons if found is not None else ()


def choose(one: Pod, places: Cluster, *, profile: Profile | None = None) -> Choice:
    """The first decision of a scheduler."""
    return Chooser(places, profile or Profile()).choose(Wish.of(one))

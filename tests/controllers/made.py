"""Objects for the controllers' tests, written as people write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.codec import convert
from api.core import Node, Pod, ReplicationController, Service
from api.defaulting import apply

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def stamp(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    name: str = "p",
    *,
    ip: str = "",
    ready: bool | None = None,
    ready_for_s: float = 0,
    phase: str = "Running",
    going: bool = False,
    labels: dict[str, str] | None = None,
    restarts: int = 0,
    age_s: float = 1000,
    **spec: Any,
) -> Pod:
    """A pod as its node reports it; ``spec`` is more of its spec."""
    conditions = []
    if ready is not None:
        status = "True" if ready else "False"
        conditions = [{"type": "Ready", "status": status, "lastTransitionTime": stamp(ready_for_s)}]
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "labels": {"app": "web"} if labels is None else labels,
        "creationTimestamp": stamp(age_s),
    }
    if going:
        metadata["deletionTimestamp"] = stamp(0)
    status_part = {
        "phase": phase,
        "podIP": ip,
        "conditions": conditions,
        "containerStatuses": [{"name": "c", "restartCount": restarts}],
    }
    containers = spec.pop("containers", [{"name": "c", "image": "web:1"}])
    return convert({"metadata": metadata, "spec": {"containers": containers, **spec}, "status": status_part}, Pod)


def controller(name: str = "web", *, replicas: int = 3, namespace: str = "default", **spec: Any) -> Any:
    document = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"app": name},
            "template": {
                "metadata": {"labels": {"app": name, "tier": "front"}},
                "spec": {"containers": [{"name": "c", "image": "web:1"}]},
            },
            **spec,
        },
    }
    item = convert(document, ReplicationController)
    apply(item)
    return item


def service(*ports: dict[str, Any], name: str = "web", namespace: str = "default", **spec: Any) -> Service:
    document = {
        "metadata": {"name": name, "namespace": namespace, "labels": {"of": "test"}},
        "spec": {"ports": list(ports or ({"port": 80},)), "selector": {"app": "web"}, **spec},
    }
    item = convert(document, Service)
    apply(item)
    return item


def node(name: str = "n1", *, ready: str | None = "True") -> Node:
    conditions = [] if ready is None else [{"type": "Ready", "status": ready, "lastHeartbeatTime": stamp(0)}]
    return convert({"metadata": {"name": name}, "status": {"conditions": conditions}}, Node)

"""What runs a number of alike pods: replication controllers, replica sets, deployments; and templates of pods."""

from datetime import datetime
from typing import Any

from api.apps import Deployment, ReplicaSet
from api.apps_sets import DaemonSet, StatefulSet
from api.core import PodTemplate, PodTemplateSpec, ReplicationController
from api.selectors import from_label_selector
from master.apiserver.tables.cells import NONE, age, selector
from master.apiserver.tables.column import AGE, NAME, Column, TableShape, wide


def _controller(controller: ReplicationController, now: datetime) -> list[Any]:
    return _counted(controller, selector(controller.spec.selector), now)


def _replica_set(replica_set: ReplicaSet, now: datetime) -> list[Any]:
    return _counted(replica_set, _selector(replica_set), now)


def _counted(item: ReplicationController | ReplicaSet, chosen: str, now: datetime) -> list[Any]:
    counts = [item.spec.replicas or 0, item.status.replicas, item.status.ready_replicas]
    return [
        item.metadata.name,
        *counts,
        age(item.metadata.creation_timestamp, now),
        *_containers(item.spec.template),
        chosen,
    ]


def _deployment(deployment: Deployment, now: datetime) -> list[Any]:
    status = deployment.status
    return [
        deployment.metadata.name,
        f"{status.ready_replicas}/{deployment.spec.replicas or 0}",
        status.updated_replicas,
        status.available_replicas,
        age(deployment.metadata.creation_timestamp, now),
        *_containers(deployment.spec.template),
        _selector(deployment),
    ]


def _stateful_set(item: StatefulSet, now: datetime) -> list[Any]:
    return [
        item.metadata.name,
        f"{item.status.ready_replicas}/{item.spec.replicas or 0}",
        age(item.metadata.creation_timestamp, now),
        *_containers(item.spec.template),
    ]


def _daemon_set(item: DaemonSet, now: datetime) -> list[Any]:
    status, template = item.status, item.spec.template
    return [
        item.metadata.name,
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_ready,
        status.updated_number_scheduled,
        status.number_available,
        selector(template.spec.node_selector if template is not None else {}),
        age(item.metadata.creation_timestamp, now),
        *_containers(template),
        _selector(item),
    ]


def _template(template: PodTemplate, _: datetime) -> list[Any]:
    labels = template.template.metadata.labels if template.template is not None else {}
    return [template.metadata.name, *_containers(template.template), selector(labels)]


def _selector(item: ReplicaSet | Deployment | DaemonSet) -> str:
    return str(from_label_selector(item.spec.selector)) or NONE


def _containers(template: PodTemplateSpec | None) -> tuple[str, str]:
    """Names and images of the containers."""
    containers = template.spec.containers if template is not None else []
    return ",".join(item.name for item in containers), ",".join(item.image for item in containers)


_NUMBER = "integer"
_DESCRIBED = (
    wide("Containers", "Names of the containers of a pod."),
    wide("Images", "Images of the containers of a pod."),
    wide("Selector", "Labels of the pods."),
)
_COUNTED = (
    NAME,
    Column("Desired", "How many pods are wanted.", type=_NUMBER),
    Column("Current", "How many pods there are.", type=_NUMBER),
    Column("Ready", "How many pods are ready.", type=_NUMBER),
    AGE,
    *_DESCRIBED,
)

STATEFUL_SET = TableShape(
    (NAME, Column("Ready", "How many pods are ready, of those that are wanted."), AGE, *_DESCRIBED[:2]), _stateful_set
)
DAEMON_SET = TableShape(
    (
        NAME,
        Column("Desired", "Nodes that should have the pod.", type=_NUMBER),
        Column("Current", "Nodes that have it.", type=_NUMBER),
        Column("Ready", "Nodes whose pod is ready.", type=_NUMBER),
        Column("Up-to-date", "Nodes with the pod of the newest template.", type=_NUMBER),
        Column("Available", "Nodes whose pod has been ready long enough.", type=_NUMBER),
        Column("Node Selector", "Labels of the nodes."),
        AGE,
        *_DESCRIBED,
    ),
    _daemon_set,
)
CONTROLLER = TableShape(_COUNTED, _controller)
REPLICA_SET = TableShape(_COUNTED, _replica_set)
DEPLOYMENT = TableShape(
    (
        NAME,
        Column("Ready", "How many pods are ready, of those that are wanted."),
        Column("Up-to-date", "How many pods have the newest template."),
        Column("Available", "How many pods have been ready for long enough."),
        AGE,
        *_DESCRIBED,
    ),
    _deployment,
)
TEMPLATE = TableShape(
    (
        NAME,
        Column("Containers", "Names of the containers."),
        Column("Images", "Images of the containers."),
        Column("Pod Labels", "Labels of the pods."),
    ),
    _template,
)

"""The kinds whose tables are a line or two."""

from datetime import datetime
from typing import Any

from api.coordination import Lease
from api.core import ConfigMap, Namespace, ReplicationController, Secret, ServiceAccount
from api.meta import Object
from master.apiserver.tables.cells import age, selector
from master.apiserver.tables.column import AGE, NAME, Column, TableShape, wide


def _controller(controller: ReplicationController, now: datetime) -> list[Any]:
    spec, status = controller.spec, controller.status
    containers = spec.template.spec.containers if spec.template is not None else []
    return [
        controller.metadata.name,
        spec.replicas or 0,
        status.replicas,
        status.ready_replicas,
        age(controller.metadata.creation_timestamp, now),
        ",".join(item.name for item in containers),
        ",".join(item.image for item in containers),
        selector(spec.selector),
    ]


def _namespace(namespace: Namespace, now: datetime) -> list[Any]:
    return [namespace.metadata.name, namespace.status.phase, age(namespace.metadata.creation_timestamp, now)]


def _config_map(config: ConfigMap, now: datetime) -> list[Any]:
    count = len(config.data) + len(config.binary_data)
    return [config.metadata.name, count, age(config.metadata.creation_timestamp, now)]


def _secret(secret: Secret, now: datetime) -> list[Any]:
    return [secret.metadata.name, secret.type, len(secret.data), age(secret.metadata.creation_timestamp, now)]


def _service_account(account: ServiceAccount, now: datetime) -> list[Any]:
    return [account.metadata.name, len(account.secrets), age(account.metadata.creation_timestamp, now)]


def _lease(lease: Lease, now: datetime) -> list[Any]:
    return [lease.metadata.name, lease.spec.holder_identity or "", age(lease.metadata.creation_timestamp, now)]


def _any(item: Object, now: datetime) -> list[Any]:
    return [item.metadata.name, age(item.metadata.creation_timestamp, now)]


_NUMBER = "integer"

CONTROLLER = TableShape(
    (
        NAME,
        Column("Desired", "How many pods are wanted.", type=_NUMBER),
        Column("Current", "How many pods there are.", type=_NUMBER),
        Column("Ready", "How many pods are ready.", type=_NUMBER),
        AGE,
        wide("Containers", "Names of the containers of a pod."),
        wide("Images", "Images of the containers of a pod."),
        wide("Selector", "Labels of the pods."),
    ),
    _controller,
)
NAMESPACE = TableShape((NAME, Column("Status", "Active or Terminating."), AGE), _namespace)
CONFIG_MAP = TableShape((NAME, Column("Data", "Number of keys.", type=_NUMBER), AGE), _config_map)
SECRET = TableShape(
    (NAME, Column("Type", "For programs that need to know."), Column("Data", "Number of keys.", type=_NUMBER), AGE),
    _secret,
)
SERVICE_ACCOUNT = TableShape(
    (NAME, Column("Secrets", "Number of secrets.", type=_NUMBER), AGE),
    _service_account,
)
LEASE = TableShape((NAME, Column("Holder", "Who holds it."), AGE), _lease)
ANY = TableShape((NAME, AGE), _any)

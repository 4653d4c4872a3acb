"""The kinds whose tables are a line or two."""

from datetime import datetime
from typing import Any

from api.coordination import Lease
from api.core import ComponentStatus, ConfigMap, Namespace, Secret, ServiceAccount
from api.meta import Object
from master.apiserver.tables.cells import age
from master.apiserver.tables.column import AGE, NAME, Column, TableShape


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


def _component(component: ComponentStatus, _: datetime) -> list[Any]:
    words = {"True": "Healthy", "False": "Unhealthy"}
    healthy = next((item for item in component.conditions if item.type == "Healthy"), None)
    if healthy is None:
        return [component.metadata.name, "Unknown", "", ""]
    return [component.metadata.name, words.get(healthy.status, "Unknown"), healthy.message, healthy.error]


def _any(item: Object, now: datetime) -> list[Any]:
    return [item.metadata.name, age(item.metadata.creation_timestamp, now)]


NAMESPACE = TableShape((NAME, Column("Status", "Active or Terminating."), AGE), _namespace)
CONFIG_MAP = TableShape((NAME, Column("Data", "Number of keys."), AGE), _config_map)
SECRET = TableShape(
    (NAME, Column("Type", "For programs that need to know."), Column("Data", "Number of keys."), AGE),
    _secret,
)
SERVICE_ACCOUNT = TableShape(
    (NAME, Column("Secrets", "Number of secrets."), AGE),
    _service_account,
)
LEASE = TableShape((NAME, Column("Holder", "Who holds it."), AGE), _lease)
COMPONENT_STATUS = TableShape(
    (
        NAME,
        Column("Status", "Healthy or Unhealthy."),
        Column("Message", "What the component said."),
        Column("Error", "What is wrong with it."),
    ),
    _component,
)
ANY = TableShape((NAME, AGE), _any)

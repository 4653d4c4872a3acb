"""Quotas, limit ranges and priority classes."""

from datetime import datetime
from typing import Any

from api.core.quota import LimitRange, ResourceQuota
from api.scheduling import PriorityClass
from master.apiserver.tables.cells import age, moment
from master.apiserver.tables.column import AGE, CREATED_AT, NAME, Column, TableShape


def _quota(quota: ResourceQuota, now: datetime) -> list[Any]:
    used, hard = quota.status.used, quota.status.hard
    shown = {name: f"{name}: {used.get(name, '0')}/{amount}" for name, amount in sorted(hard.items())}
    limits = [text for name, text in shown.items() if name.startswith("limits.")]
    others = [text for name, text in shown.items() if not name.startswith("limits.")]
    made = age(quota.metadata.creation_timestamp, now)
    return [quota.metadata.name, ", ".join(others), ", ".join(limits), made]


def _limit_range(limits: LimitRange, now: datetime) -> list[Any]:  # noqa: ARG001 - the shape of all cells
    return [limits.metadata.name, moment(limits.metadata.creation_timestamp)]


def _priority(priority: PriorityClass, now: datetime) -> list[Any]:
    made = age(priority.metadata.creation_timestamp, now)
    return [priority.metadata.name, priority.value, priority.global_default, made, priority.preemption_policy]


QUOTA = TableShape(
    (
        NAME,
        Column("Request", "Use and limit of requests and counts."),
        Column("Limit", "Use and limit of limits."),
        AGE,
    ),
    _quota,
)
LIMIT_RANGE = TableShape((NAME, CREATED_AT), _limit_range)
PRIORITY = TableShape(
    (
        NAME,
        Column("Value", "The priority.", type="integer"),
        Column("Global-Default", "Whether pods without a class have it.", type="boolean"),
        AGE,
        Column("PreemptionPolicy", "Whether its pods may push others out."),
    ),
    _priority,
)

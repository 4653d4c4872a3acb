"""Budgets of disruptions."""

from datetime import datetime
from typing import Any

from api.policy import PodDisruptionBudget
from master.apiserver.tables.cells import age
from master.apiserver.tables.column import AGE, NAME, Column, TableShape

_NOT_SAID = "N/A"


def _budget(budget: PodDisruptionBudget, now: datetime) -> list[Any]:
    shares = (budget.spec.min_available, budget.spec.max_unavailable)
    return [
        budget.metadata.name,
        *(_NOT_SAID if share is None else str(share) for share in shares),
        budget.status.disruptions_allowed,
        age(budget.metadata.creation_timestamp, now),
    ]


BUDGET = TableShape(
    (
        NAME,
        Column("Min Available", "How many pods must stay."),
        Column("Max Unavailable", "How many pods may be missing."),
        Column("Allowed Disruptions", "How many more pods may go now.", type="integer"),
        AGE,
    ),
    _budget,
)

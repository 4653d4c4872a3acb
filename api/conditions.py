"""Conditions that more than one component sets, and how a condition is replaced."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from api.meta import Condition
from api.policy import PodDisruptionBudgetStatus


def with_condition(conditions: Sequence[Condition], new: Condition, moment: datetime) -> list[Condition]:
    """The conditions with one replaced or added; the time of its transition is kept when its status stays."""
    before = next((one for one in conditions if one.type == new.type), None)
    kept = before is not None and before.status == new.status
    since = before.last_transition_time if before is not None and kept else moment
    new = replace(new, last_transition_time=since)
    if before is None:
        return [*conditions, new]
    return [new if one is before else one for one in conditions]


def disruption_allowed(status: PodDisruptionBudgetStatus, moment: datetime) -> list[Condition]:
    """The conditions of a budget, by what it allows."""
    some = status.disruptions_allowed > 0
    new = Condition(
        type="DisruptionAllowed",
        status="True" if some else "False",
        reason="SufficientPods" if some else "InsufficientPods",
        observed_generation=status.observed_generation,
    )
    return with_condition(status.conditions, new, moment)

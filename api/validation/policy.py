"""Budgets of disruptions."""

import re

from api.codec import plain
from api.errors import FieldError, invalid
from api.policy import PodDisruptionBudget
from api.validation.selectors import selector_errors
from api.validation.workload import share_errors

_BEYOND_ALL = re.compile(r"0*([2-9][0-9]{2}|1[1-9][0-9]|10[1-9]|[1-9][0-9]{3,})%")


def _is_beyond_all(share: str) -> bool:
    """Whether it is more than 100%. It may have more digits than Python reads as a number."""
    return _BEYOND_ALL.fullmatch(share) is not None


def budget_errors(budget: PodDisruptionBudget) -> list[FieldError]:
    spec = budget.spec
    errors = []
    if spec.min_available is not None and spec.max_unavailable is not None:
        errors.append(invalid("spec", plain(spec), "minAvailable and maxUnavailable cannot be both set"))
    for name, value in (("minAvailable", spec.min_available), ("maxUnavailable", spec.max_unavailable)):
        errors.extend(share_errors(value, f"spec.{name}"))
        if isinstance(value, str) and _is_beyond_all(value):
            errors.append(invalid(f"spec.{name}", value, "must not be greater than 100%"))
    return [*errors, *selector_errors(spec.selector, "spec.selector")]

"""Budgets of disruptions."""

from api.codec import plain
from api.errors import FieldError, invalid
from api.policy import PodDisruptionBudget
from api.validation.selectors import selector_errors
from api.validation.workload import share_errors


def budget_errors(budget: PodDisruptionBudget) -> list[FieldError]:
    spec = budget.spec
    errors = []
    if spec.min_available is not None and spec.max_unavailable is not None:
        errors.append(invalid("spec", plain(spec), "minAvailable and maxUnavailable cannot be both set"))
    for name, value in (("minAvailable", spec.min_available), ("maxUnavailable", spec.max_unavailable)):
        errors.extend(share_errors(value, f"spec.{name}"))
        if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit() and int(value[:-1]) > 100:
            errors.append(invalid(f"spec.{name}", value, "must not be greater than 100%"))
    return [*errors, *selector_errors(spec.selector, "spec.selector")]

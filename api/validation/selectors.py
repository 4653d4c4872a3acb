"""Label selectors of objects: what their terms must keep (Kubernetes' ``ValidateLabelSelector``)."""

from collections.abc import Iterator

from api.errors import FieldError, forbidden, required
from api.meta import LabelSelector

_WITH_VALUES = ("In", "NotIn")
_WITHOUT = ("Exists", "DoesNotExist")


def selector_errors(selector: LabelSelector | None, path: str) -> Iterator[FieldError]:
    """Faults that depend on more than one field of a term."""
    for index, term in enumerate(selector.match_expressions if selector is not None else ()):
        at = f"{path}.matchExpressions[{index}].values"
        if term.operator in _WITH_VALUES and not term.values:
            yield required(at, "must be specified when `operator` is 'In' or 'NotIn'")
        elif term.operator in _WITHOUT and term.values:
            yield forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")

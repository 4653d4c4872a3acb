"""The options of lists and watches that depend on each other, judged together as Kubernetes does."""

from api.errors import FieldError, forbidden, invalid_object, not_supported
from master.apiserver.call import Call

_MATCH, _EXACT, _NOT_OLDER = "resourceVersionMatch", "Exact", "NotOlderThan"
_INITIAL = "sendInitialEvents"


def check_list(call: Call) -> None:
    """Raises Invalid, BadRequest for what is no number."""
    match, version = call.option(_MATCH), call.option("resourceVersion")
    call.number("timeoutSeconds")
    errors: list[FieldError] = []
    if match:
        if not version:
            errors.append(forbidden(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if call.option("continue"):
            errors.append(_CONTINUED)
        if match not in (_EXACT, _NOT_OLDER):
            errors.append(not_supported(_MATCH, match, (_EXACT, _NOT_OLDER)))
        if match == _EXACT and version == "0":
            errors.append(forbidden(_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if _INITIAL in call.request.query:
        errors.append(forbidden(_INITIAL, "sendInitialEvents is forbidden for list"))
    _refuse(errors)


def check_watch(call: Call) -> None:
    """Raises Invalid, BadRequest for what is no number."""
    match, initial = call.option(_MATCH), _INITIAL in call.request.query
    call.number("limit")
    errors: list[FieldError] = []
    if initial and match != _NOT_OLDER:
        errors.append(forbidden(_MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match and not initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(forbidden(_MATCH, why))
    if match and match != _NOT_OLDER:
        errors.append(not_supported(_MATCH, match, (_NOT_OLDER,)))
    if match and call.option("continue"):
        errors.append(_CONTINUED)
    _refuse(errors)


_CONTINUED = forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided")


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise invalid_object("meta.k8s.io", "ListOptions", "", errors)

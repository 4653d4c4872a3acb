"""JSON merge patch, RFC 7386."""

from typing import Any

from api.errors import BadRequest


def merge_patch(document: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Maps are merged, ``null`` removes, all else replaces. Raises BadRequest when the patch is not a map."""
    if not isinstance(patch, dict):
        raise BadRequest("a merge patch must be a JSON object")
    try:
        merged: dict[str, Any] = _merge(document, patch)
    except RecursionError as error:
        raise BadRequest("the merge patch is nested too deep") from error
    return merged


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result

"""Strategic merge patch: a merge patch that knows which lists are maps by a key.

The declarations say how a list merges (``F.merge_key``, ``F.merge``). A patch can also carry directives: ``$patch``
(replace, delete), ``$retainKeys``, ``$setElementOrder/NAME`` and ``$deleteFromPrimitiveList/NAME``.
"""

from typing import Any

from api.errors import BadRequest
from api.schema import FieldSchema, by_wire
from api.struct import Struct

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_GONE = object()
_WRONG_RETAIN = "invalid patch format of retainKeys"
_WRONG_ORDER = "invalid patch format of setElementOrder list"


def strategic_merge(document: dict[str, Any], patch: Any, kind: type[Struct]) -> dict[str, Any]:
    """The document with the patch merged in. Raises BadRequest for a patch that makes no sense."""
    if not isinstance(patch, dict):
        raise BadRequest("a strategic merge patch must be a JSON object")
    try:
        return _merge_map(document, patch, kind)
    except RecursionError as error:
        raise BadRequest("the strategic merge patch is nested too deep") from error


def _merge_map(target: dict[str, Any], patch: dict[str, Any], kind: type[Struct] | None) -> dict[str, Any]:
    """A copy of ``target`` as far as it changes; ``kind`` is None for free maps such as labels."""
    match patch.get("$patch"):
        case "replace":
            return {key: value for key, value in patch.items() if key != "$patch"}
        case "delete":
            return {}
        case None:
            pass
        case unknown:
            raise BadRequest(f"unknown patch type: {unknown} in map")
    fields = by_wire(kind) if kind is not None else {}
    target = dict(target)
    _retain(target, patch)
    ordered = [_merge_in_order(target, patch, key, fields) for key in patch if key.startswith(_ORDER)]
    for key, value in patch.items():
        if key.startswith("$"):
            _directive(target, key, value)
        elif key in ordered:
            continue
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = _merge_value(target.get(key), value, fields.get(key))
    return target


def _retain(target: dict[str, Any], patch: dict[str, Any]) -> None:
    kept = patch.get("$retainKeys")
    if kept is None:
        return
    if not isinstance(kept, list):
        raise BadRequest(_WRONG_RETAIN)
    names = {_hashable(key) for key in kept}
    if any(value is not None and key not in names for key, value in patch.items() if not key.startswith("$")):
        raise BadRequest(_WRONG_RETAIN)
    for key in [key for key in target if key not in names]:
        del target[key]


def _directive(target: dict[str, Any], key: str, value: Any) -> None:
    if key.startswith(_DELETE):
        name = key.removeprefix(_DELETE)
        if not isinstance(value, list):
            raise BadRequest(f"{key} must be a list")
        if isinstance(target.get(name), list):
            gone = {_hashable(item) for item in value}
            target[name] = [item for item in target[name] if _hashable(item) not in gone]
    elif not (key in ("$patch", "$retainKeys") or key.startswith(_ORDER)):
        raise BadRequest(f"unknown directive {key!r}")


def _merge_value(target: Any, value: Any, field: FieldSchema | None) -> Any:
    if isinstance(value, dict):
        part = field.shape.struct if field is not None else None
        return _merge_map(target if isinstance(target, dict) else {}, value, part)
    if isinstance(value, list):
        return _merge_list(target if isinstance(target, list) else [], value, field)
    return value


def _merge_list(target: list[Any], patch: list[Any], field: FieldSchema | None) -> list[Any]:
    if field is not None and field.spec.merge_key:
        merged = _merge_keyed(target, patch, field)
        if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
            return merged
        kept = [item for item in patch if "$patch" not in item]
        return _arranged(merged, kept, target, field.spec.merge_key)
    if field is not None and field.spec.merge:
        there = {_hashable(item) for item in target}
        fresh = {_hashable(item): item for item in patch}
        merged = target + [item for key, item in fresh.items() if key not in there]
        return _arranged(merged, patch, target, "")
    return patch


def _merge_keyed(target: list[Any], patch: list[Any], field: FieldSchema) -> list[Any]:
    key = field.spec.merge_key
    part = field.shape.item.struct if field.shape.item is not None else None
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    # By key, not by a search for each item: a patch may have as many items as fit into a body.
    result, places = list(target), _places(target, key)
    for item in patch:
        if not isinstance(item, dict):
            raise BadRequest(f"{field.wire}: an item of the patch is not an object")
        if key not in item:
            raise BadRequest(f"{field.wire}: map: {item} does not contain declared merge key: {key}")
        own = _hashable(item[key])
        directive = item.get("$patch")
        if directive == "delete":
            for at in places.pop(own, ()):
                result[at] = _GONE
        elif directive is not None:
            raise BadRequest(f"{field.wire}: merging lists cannot yet be specified in the patch: $patch: {directive}")
        elif own not in places:
            places[own] = [len(result)]
            result.append(_merge_map({}, item, part))
        else:
            at = places[own][0]
            result[at] = _merge_map(result[at], item, part)
    return [item for item in result if item is not _GONE]


def _places(items: list[Any], key: str) -> dict[Any, list[int]]:
    """Where the items with each value of a merge key stand; values may repeat (one port, two protocols)."""
    places: dict[Any, list[int]] = {}
    for at, item in enumerate(items):
        if isinstance(item, dict):
            places.setdefault(_hashable(item.get(key)), []).append(at)
    return places


def _merge_in_order(
    target: dict[str, Any], patch: dict[str, Any], directive: str, fields: dict[str, FieldSchema]
) -> str:
    """Merges the list that ``$setElementOrder/NAME`` is for, and puts it into that order; returns its name."""
    name, order = directive.removeprefix(_ORDER), patch[directive]
    field, there, changes = fields.get(name), target.get(name), patch.get(name)
    if not isinstance(order, list) or not isinstance(changes, list | None):
        raise BadRequest(_WRONG_ORDER)
    if field is None:
        raise BadRequest(f"{directive}: there is no such list")
    key = field.spec.merge_key
    present = before = there if isinstance(there, list) else []
    if changes:
        _check_order(changes, order, key, name)
        present = _merge_list(present, changes, field)
        before = _moved_up(before, changes, key) if key else before
    if present:
        target[name] = _arranged(present, order, before, key)
    return name


def _moved_up(before: list[Any], changes: list[Any], key: str) -> list[Any]:
    """The order before, as Kubernetes sees it afterwards: what is new stands in the places of what was deleted."""
    gone = {_identity(item, key) for item in changes if item.get("$patch") == "delete"}
    kept = [item for item in before if _identity(item, key) not in gone]
    known = _ranks(kept, key)
    fresh = [item for item in changes if "$patch" not in item and _identity(item, key) not in known]
    return (kept + fresh)[: len(before)]


def _check_order(changes: list[Any], order: list[Any], key: str, name: str) -> None:
    """What is changed must be named by the order, and be in it. Raises BadRequest."""
    rest = iter([_identity(item, key) for item in order])
    named = [item for item in changes if not (isinstance(item, dict) and "$patch" in item)]
    if order and not all(_identity(item, key) in rest for item in named):
        raise BadRequest(f"The order in patch list of {name} doesn't match $setElementOrder list:\n{order}\n")


def _arranged(merged: list[Any], order: list[Any], before: list[Any], key: str) -> list[Any]:
    """The items in the given order. Those that it does not name keep theirs, each in front of the first item that it
    stood in front of before."""
    rank = _ranks(order, key)
    place = _ranks(before, key)
    named = sorted((item for item in merged if _identity(item, key) in rank), key=lambda one: rank[_identity(one, key)])
    others = [item for item in merged if _identity(item, key) not in rank]
    result: list[Any] = []
    at = 0
    for item in named:
        mine = place.get(_identity(item, key), -1)
        while at < len(others) and 0 <= place.get(_identity(others[at], key), -1) < mine:
            result.append(others[at])
            at += 1
        result.append(item)
    return result + others[at:]


def _ranks(items: list[Any], key: str) -> dict[Any, int]:
    ranks: dict[Any, int] = {}
    for at, item in enumerate(items):
        ranks.setdefault(_identity(item, key), at)
    return ranks


def _identity(item: Any, key: str) -> Any:
    return _hashable(item.get(key) if key and isinstance(item, dict) else item)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else ("", repr(value))

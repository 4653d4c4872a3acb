"""Strategic merge patch: a merge patch that knows which lists are maps by a key.

The declarations say how a list merges (``F.merge_key``, ``F.merge``). A patch can also carry directives: ``$patch``
(replace, delete, merge), ``$retainKeys``, ``$setElementOrder/NAME`` and ``$deleteFromPrimitiveList/NAME``.
"""

from typing import Any

from api.errors import BadRequest
from api.schema import FieldSchema, by_wire
from api.struct import Struct

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_GONE = object()


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
        case None | "merge":
            pass
        case unknown:
            raise BadRequest(f"unknown $patch directive {unknown!r}")
    fields = by_wire(kind) if kind is not None else {}
    target = dict(target)
    _retain(target, patch)
    for key, value in patch.items():
        if key.startswith("$"):
            _directive(target, key, value)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = _merge_value(target.get(key), value, fields.get(key))
    for key, value in patch.items():
        if key.startswith(_ORDER):
            _order(target, key.removeprefix(_ORDER), value, fields)
    return target


def _retain(target: dict[str, Any], patch: dict[str, Any]) -> None:
    kept = patch.get("$retainKeys")
    if kept is None:
        return
    if not isinstance(kept, list):
        raise BadRequest("$retainKeys must be a list")
    names = {_hashable(key) for key in kept}
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
        return _merge_keyed(target, patch, field)
    if field is not None and field.spec.merge:
        there = {_hashable(item) for item in target}
        return target + [item for item in patch if _hashable(item) not in there]
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
        if item.get("$patch") == "delete":
            for at in places.pop(own, ()):
                result[at] = _GONE
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


def _order(target: dict[str, Any], name: str, order: Any, fields: dict[str, FieldSchema]) -> None:
    """Puts the items that are named into the given order; the others keep their place behind what they followed."""
    items, field = target.get(name), fields.get(name)
    if not isinstance(order, list):
        raise BadRequest(f"{_ORDER}{name} must be a list")
    if not isinstance(items, list) or field is None:
        return
    key = field.spec.merge_key

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    rank = {_hashable(identity(item)): position for position, item in enumerate(order)}
    named = sorted(
        (item for item in items if _hashable(identity(item)) in rank), key=lambda item: rank[_hashable(identity(item))]
    )
    queue = iter(named)
    target[name] = [next(queue) if _hashable(identity(item)) in rank else item for item in items]


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else ("", repr(value))

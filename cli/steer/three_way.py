"""The patch of `apply`: from what was applied before, what is to be, and what is there.

What was applied before and is not wanted any more is taken away; what is wanted and different is set; all else, which
others may have set, stays. https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/
"""

from typing import Any

from api.resources import find_kind
from api.schema import FieldSchema, by_wire
from api.struct import Struct

Map = dict[str, Any]
_NOTHING = object()


def three_way(before: Map, wanted: Map, there: Map) -> tuple[Map, str]:
    """The patch and its form: strategic for kinds that we know, else a merge patch. Empty: nothing is to be done."""
    resource = find_kind(str(wanted.get("apiVersion")), str(wanted.get("kind")))
    if resource is None:
        return _maps(before, wanted, there, None, strategic=False), "merge"
    return _maps(before, wanted, there, resource.type, strategic=True), "strategic"


def _maps(before: Map, wanted: Map, there: Map, kind: type[Struct] | None, *, strategic: bool) -> Map:
    fields = by_wire(kind) if kind is not None else {}
    patch: Map = {key: None for key in before if key not in wanted and key in there}
    for key, value in wanted.items():
        found = _value(before.get(key), value, there.get(key, _NOTHING), fields.get(key), strategic=strategic)
        if found is not _NOTHING:
            patch[key] = found
            if strategic and isinstance(value, list) and isinstance(there.get(key), list):
                patch |= _order(key, value, fields.get(key))
    return patch


def _order(name: str, wanted: list[Any], field: FieldSchema | None) -> Map:
    """What is new would else go to the front of a list that is merged."""
    if field is None or not (field.spec.merge_key or field.spec.merge):
        return {}
    key = field.spec.merge_key
    return {f"$setElementOrder/{name}": [{key: item.get(key)} for item in wanted] if key else wanted}


def _value(before: Any, wanted: Any, there: Any, field: FieldSchema | None, *, strategic: bool) -> Any:
    if isinstance(wanted, dict) and isinstance(there, dict):
        part = field.shape.struct if field is not None else None
        return _maps(before if isinstance(before, dict) else {}, wanted, there, part, strategic=strategic) or _NOTHING
    if isinstance(wanted, list) and isinstance(there, list) and strategic and field is not None:
        if field.spec.merge_key:
            return _keyed(before if isinstance(before, list) else [], wanted, there, field) or _NOTHING
        if field.spec.merge:
            return [item for item in wanted if item not in there] or _NOTHING
    return _NOTHING if _same(wanted, there) else wanted


def _keyed(before: list[Any], wanted: list[Any], there: list[Any], field: FieldSchema) -> list[Any]:
    key = field.spec.merge_key
    part = field.shape.item.struct if field.shape.item is not None else None
    old = {item.get(key): item for item in before if isinstance(item, dict)}
    now = {item.get(key): item for item in there if isinstance(item, dict)}
    names = {item.get(key) for item in wanted if isinstance(item, dict)}
    patch: list[Any] = [{"$patch": "delete", key: name} for name in old if name not in names and name in now]
    for item in wanted:
        name = item.get(key) if isinstance(item, dict) else None
        if name not in now:
            patch.append(item)
        elif change := _maps(old.get(name, {}), item, now[name], part, strategic=True):
            patch.append({key: name, **change})
    return patch


def _same(wanted: Any, there: Any) -> bool:
    """Nothing and an empty part are the same to the server."""
    return bool(wanted == there or (wanted in (None, {}, []) and there is _NOTHING))

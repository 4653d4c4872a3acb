"""What Go's decoder makes of a ``null``: a field that holds one is left as it was, which is absent; an item of a list
and a value of a map is there, and zero.

So ``labels:`` with nothing behind it means no labels, and ``args: [null]`` one empty argument.
"""

from typing import Any

from api.schema import Shape, by_wire
from api.struct import Struct

_ZERO: dict[str, Any] = {
    "string": "",
    "integer": 0,
    "boolean": False,
    "number": 0.0,
    "bytes": "",
    "quantity": "0",
    "intorstring": 0,
    "struct": {},
    "map": {},
    "list": [],
}
"""By form; what may be anything stays null."""


def has_null(value: Any) -> bool:
    """Whether there is a null anywhere in plain dicts and lists, or nothing but one."""
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    if isinstance(value, list):
        return any(map(has_null, value))
    return value is None


def without_nulls(document: Any, kind: type[Struct]) -> Any:
    """The document of an object of this type as if its writer had said what its nulls mean."""
    return _item(document, Shape("struct", struct=kind))


def _item(value: Any, shape: Shape) -> Any:
    return _ZERO.get(shape.form) if value is None else _read(value, shape)


def _read(value: Any, shape: Shape) -> Any:
    if isinstance(value, dict) and shape.struct is not None:
        fields = by_wire(shape.struct)
        return {key: _read(one, fields[key].shape) for key, one in value.items() if key in fields and one is not None}
    if isinstance(value, dict) and shape.form == "map" and shape.item is not None:
        return {key: _item(one, shape.item) for key, one in value.items()}
    if isinstance(value, list) and shape.form == "list" and shape.item is not None:
        return [_item(one, shape.item) for one in value]
    return value

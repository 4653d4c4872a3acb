"""Finds what a client wrote that no declaration knows: misspelt fields, and keys given twice.

Kubernetes prunes such fields silently, warns of them, or refuses them, as ``fieldValidation`` asks.
"""

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

import msgspec

from api.schema import Shape, by_wire, fields_of
from api.struct import Struct

# Nobody reads more of them, and a body of a few megabytes can hold a hundred thousand.
_FOUND_MAX = 100


def knows_all_fields(data: bytes | str, kind: type[Struct], *, beside: str = "") -> bool:
    """Whether a JSON text has only fields that the type has; False also for what is not of the type's form. What the
    field ``beside`` of the whole holds is not looked at.

    One pass without Python code in it: only when it says False is ``unknown_fields`` worth its price.
    """
    try:
        _closed_decoder(kind, beside).decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


@cache
def _closed_decoder(kind: type[Struct], beside: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_closed(kind, beside))


@cache
def _closed(kind: type[Struct], beside: str = "") -> Any:
    """A type with the same fields that takes no other; values that are no parts are passed over unread."""
    fields = [
        (
            f"f{index}",
            msgspec.Raw if field.wire == beside else _closed_shape(field.shape),
            msgspec.field(default=None, name=field.wire),
        )
        for index, field in enumerate(fields_of(kind))
    ]
    return msgspec.defstruct(kind.__name__, fields, forbid_unknown_fields=True)


def _closed_shape(shape: Shape) -> Any:
    """Null is allowed wherever a part is, as Go has it."""
    if shape.struct is not None:
        return _closed(shape.struct) | None
    if shape.item is None or not _has_part(shape.item):
        return msgspec.Raw
    item = _closed_shape(shape.item)
    return (dict[str, item] if shape.form == "map" else list[item]) | None  # type: ignore[valid-type]


def _has_part(shape: Shape) -> bool:
    return shape.struct is not None or (shape.item is not None and _has_part(shape.item))


def unknown_fields(document: Any, kind: type[Struct]) -> list[str]:
    """Paths (``spec.containers[0].imagee``) of fields that the type does not have; the first hundred."""
    return list(islice(_unknown(document, Shape("struct", struct=kind), ""), _FOUND_MAX))


def _unknown(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if shape.form == "struct" and shape.struct is not None and isinstance(value, dict):
        fields = by_wire(shape.struct)
        for key, item in value.items():
            at = f"{path}.{key}" if path else str(key)
            field = fields.get(key)
            if field is None:
                yield at
            else:
                yield from _unknown(item, field.shape, at)
    elif shape.form == "list" and shape.item is not None and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, shape.item, f"{path}[{index}]")
    elif shape.form == "map" and shape.item is not None and isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown(item, shape.item, f"{path}.{key}")


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON as it was written."""


def duplicate_keys(data: bytes | str) -> list[str]:
    """Paths (``spec.containers[0].image``) of keys that stand twice in one object of a JSON text; the first hundred."""
    doubled = False

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        made = dict(pairs)
        doubled = doubled or len(made) != len(pairs)
        return made

    json.loads(data, object_pairs_hook=read)
    # Hardly any text has one: only then is it worth its price to say where.
    return list(islice(_doubles(json.loads(data, object_pairs_hook=_Pairs), ""), _FOUND_MAX)) if doubled else []


def _doubles(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            at = f"{path}.{key}" if path else key
            if key in seen:
                yield at
            seen.add(key)
            yield from _doubles(item, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _doubles(item, f"{path}[{index}]")

"""Reads the declarations of ``api.struct`` back: what fields a part has, and of what shape each is.

Everything that is derived from a declaration (defaults, validation, patches, OpenAPI) goes through here, and is
worked out once for each type.
"""

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Union

import msgspec

from api.scalars import MicroTime, Quantity
from api.struct import F, Struct

_SCALARS: dict[Any, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    float: "number",
    bytes: "bytes",
    Quantity: "quantity",
    datetime: "time",
    MicroTime: "microtime",
    Any: "any",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a value.

    form: string, integer, boolean, number, bytes, quantity, time, microtime, intorstring, any; or struct, list, map.
    struct: the part's type, for a struct. item: the shape of each item, for a list or a map (whose keys are strings).
    width: int32 or int64 for an integer.
    """

    form: str
    struct: type[Struct] | None = None
    item: "Shape | None" = None
    width: str = ""


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """One declared field."""

    attribute: str
    wire: str
    shape: Shape
    spec: F
    optional: bool = False
    """Whether None stands for an absent value, so that an empty one is a value."""


@cache
def fields_of(kind: type[Struct]) -> tuple[FieldSchema, ...]:
    """The fields of a part in the order of their declaration."""
    hints = typing.get_type_hints(kind, include_extras=True)
    wires = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    return tuple(_field(kind, name, wire, hints[name]) for name, wire in wires.items())


@cache
def by_wire(kind: type[Struct]) -> dict[str, FieldSchema]:
    """The fields of a part by their JSON name."""
    return {field.wire: field for field in fields_of(kind)}


def _field(kind: type, name: str, wire: str, hint: Any) -> FieldSchema:
    specs = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, F)]
    if len(specs) != 1:
        raise TypeError(f"{kind.__name__}.{name} needs exactly one F(...)")
    return FieldSchema(name, wire, _shape(hint), specs[0], optional=type(None) in typing.get_args(_bare(hint)))


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _shape(hint: Any) -> Shape:
    if typing.get_origin(hint) is Annotated:
        inner, *extras = typing.get_args(hint)
        shape = _shape(inner)
        widths = [extra.extra["format"] for extra in extras if isinstance(extra, msgspec.Meta) and extra.extra]
        return Shape("integer", width=widths[0]) if widths else shape
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return _union(hint)
    if origin is list:
        return Shape("list", item=_shape(typing.get_args(hint)[0]))
    if origin is dict:
        return Shape("map", item=_shape(typing.get_args(hint)[1]))
    if hint in _SCALARS:
        return Shape(_SCALARS[hint])
    if isinstance(hint, type) and issubclass(hint, Struct):
        return Shape("struct", struct=hint)
    raise TypeError(f"no shape for {hint}")


def _union(hint: Any) -> Shape:
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    if len(members) == 1:
        return _shape(members[0])
    if {_shape(member).form for member in members} == {"integer", "string"}:
        return Shape("intorstring")
    raise TypeError(f"no shape for {hint}")


def parts_of(kind: type[Struct]) -> Iterator[type[Struct]]:
    """A part and all parts below it, each once."""
    seen: set[type[Struct]] = set()
    waiting = [kind]
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        yield part
        for field in fields_of(part):
            shape: Shape | None = field.shape
            while shape is not None:
                if shape.struct is not None:
                    waiting.append(shape.struct)
                shape = shape.item

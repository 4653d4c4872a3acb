"""Objects to protobuf. Absent values are left out: a zero that may be absent stands for one that is.

The way to write a part is worked out once for each type, from its declarations: a list of fields, each with a function
of its own. That is what makes lists and watches in this form affordable.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from api.protobuf.numbers import Numbered, numbered
from api.protobuf.wire import LENGTH, VARINT, length_delimited, number_field, varint
from api.schema import FieldSchema, Shape
from api.struct import Struct

_Write = Callable[[Any], bytes]
"""A value to its whole field, the number included."""

_LENGTHS = tuple(varint(size) for size in range(1024))


def encode_part(part: Struct) -> bytes:
    out: list[bytes] = []
    for attribute, zero, write in _plan(type(part)):
        value = part if attribute is None else getattr(part, attribute)
        if value is not None and value != zero:
            out.append(write(value))
    return b"".join(out)


@cache
def _plan(kind: type[Struct]) -> tuple[tuple[str | None, Any, _Write], ...]:
    return _steps(kind, numbered(kind))


def _steps(kind: type[Struct], table: Numbered) -> tuple[tuple[str | None, Any, _Write], ...]:
    """Attribute, the value that is left out, and how to write any other; no attribute for an inlined message."""
    zeros = _zeros(kind)
    return tuple(
        (None, None, _inlined(number, _steps(kind, entry)))
        if isinstance(entry, dict)
        else (entry.attribute, zeros[entry.attribute], _field(number, entry))
        for number, entry in table.items()
    )


def _zeros(kind: type[Struct]) -> dict[str, Any]:
    """What each field holds when it is absent; nothing can be left out for it where that may be any value."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        found[field.name] = None if isinstance(made, Struct) else made
    return found


def _inlined(number: int, steps: tuple[tuple[str | None, Any, _Write], ...]) -> _Write:
    """Some fields of the same part, in a message of their own; nothing when all are absent."""

    def write(part: Any) -> bytes:
        out = []
        for attribute, zero, inner in steps:
            value = part if attribute is None else getattr(part, attribute)
            if value is not None and value != zero:
                out.append(inner(value))
        return length_delimited(number, b"".join(out)) if out else b""

    return write


def _field(number: int, field: FieldSchema) -> _Write:
    shape = field.shape
    if shape.form == "list" and shape.item is not None:
        write_item = _value(number, shape.item)
        return lambda value: b"".join([write_item(item) for item in value])
    if shape.form == "map" and shape.item is not None and field.wire != "fieldsV1":
        write_key, write_entry, delimited = _text(1), _value(2, shape.item), _delimited(number)
        return lambda value: b"".join([delimited(write_key(key) + write_entry(item)) for key, item in value.items()])
    return _value(number, shape)


def _delimited(number: int) -> Callable[[bytes], bytes]:
    tag = varint(number << 3 | LENGTH)

    def write(data: bytes) -> bytes:
        size = len(data)
        return tag + (_LENGTHS[size] if size < 1024 else varint(size)) + data

    return write


def _text(number: int) -> _Write:
    delimited = _delimited(number)
    return lambda value: delimited(value.encode())


def _value(number: int, shape: Shape) -> _Write:
    delimited = _delimited(number)
    match shape.form:
        case "integer" | "boolean":
            tag = varint(number << 3 | VARINT)
            return lambda value: tag + varint(int(value))
        case "string":
            return _text(number)
        case "bytes":
            return delimited
        case "struct":
            return lambda value: delimited(encode_part(value))
        case "quantity":
            inner = _text(1)
            return lambda value: delimited(inner(value))
        case "time" | "microtime":
            return lambda value: delimited(_time(value))
        case "intorstring":
            return lambda value: delimited(_int_or_string(value))
        case "list" if shape.item is not None:
            # A list inside a map has a message of its own around it (ExtraValue).
            write_item = _value(1, shape.item)
            return lambda value: delimited(b"".join([write_item(part) for part in value]))
        case _:
            return lambda value: delimited(length_delimited(1, msgspec.json.encode(value)))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, int):
        return number_field(1, 0) + number_field(2, value)
    return number_field(1, 1) + length_delimited(3, value.encode())


def _time(when: datetime) -> bytes:
    seconds = int(when.timestamp() // 1)
    return number_field(1, seconds) + number_field(2, when.microsecond * 1000)

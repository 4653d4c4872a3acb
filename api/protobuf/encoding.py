"""Objects to protobuf. Absent values are left out."""

from datetime import datetime
from typing import Any

import msgspec

from api.protobuf.numbers import Numbered, numbered
from api.protobuf.wire import length_delimited, number_field
from api.schema import FieldSchema, Shape
from api.struct import Struct


def encode_part(part: Struct) -> bytes:
    return _encode(part, numbered(type(part)))


def _encode(part: Struct, table: Numbered) -> bytes:
    out: list[bytes] = []
    for number, entry in table.items():
        if isinstance(entry, dict):
            inner = _encode(part, entry)
            if inner:
                out.append(length_delimited(number, inner))
        else:
            out.extend(_field(number, entry, getattr(part, entry.attribute)))
    return b"".join(out)


def _field(number: int, field: FieldSchema, value: Any) -> list[bytes]:
    shape = field.shape
    if value is None:
        return []
    if shape.form == "list" and shape.item is not None:
        return [_value(number, shape.item, item) for item in value]
    if shape.form == "map" and shape.item is not None and field.wire != "fieldsV1":
        item = shape.item
        return [
            length_delimited(number, length_delimited(1, key.encode()) + _value(2, item, entry))
            for key, entry in value.items()
        ]
    return [_value(number, shape, value)]


def _value(number: int, shape: Shape, value: Any) -> bytes:
    match shape.form:
        case "integer" | "boolean":
            return number_field(number, int(value))
        case "string":
            return length_delimited(number, str(value).encode())
        case "bytes":
            return length_delimited(number, value)
        case "struct":
            return length_delimited(number, encode_part(value))
        case "quantity":
            return length_delimited(number, length_delimited(1, str(value).encode()))
        case "time" | "microtime":
            return length_delimited(number, _time(value))
        case "intorstring" if isinstance(value, int):
            return length_delimited(number, number_field(1, 0) + number_field(2, value))
        case "intorstring":
            return length_delimited(number, number_field(1, 1) + length_delimited(3, value.encode()))
        case "list" if shape.item is not None:
            # A list inside a map has a message of its own around it (ExtraValue).
            item = shape.item
            return length_delimited(number, b"".join(_value(1, item, part) for part in value))
        case _:
            return length_delimited(number, length_delimited(1, msgspec.json.encode(value)))


def _time(when: datetime) -> bytes:
    seconds = int(when.timestamp() // 1)
    return number_field(1, seconds) + number_field(2, when.microsecond * 1000)

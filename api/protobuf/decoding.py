"""Protobuf to the plain JSON form."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from api.protobuf.numbers import Numbered, numbered
from api.protobuf.wire import Malformed, read_fields, signed
from api.schema import FieldSchema, Shape
from api.struct import Struct

_MAX_DEPTH = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode_part(data: memoryview, kind: type[Struct], depth: int = 0) -> dict[str, Any]:
    """One message. Raises Malformed."""
    result: dict[str, Any] = {}
    _fill(data, numbered(kind), result, depth)
    return result


def _fill(data: memoryview, table: Numbered, result: dict[str, Any], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise Malformed("messages are nested too deeply")
    for number, value in read_fields(data):
        entry = table.get(number)
        if isinstance(entry, dict):
            _fill(_message(value), entry, result, depth + 1)
        elif entry is not None:
            _store(entry, value, result, depth)


def _store(field: FieldSchema, value: int | memoryview, result: dict[str, Any], depth: int) -> None:
    shape = field.shape
    if shape.form == "list" and shape.item is not None:
        result.setdefault(field.wire, []).append(_value(shape.item, value, depth))
    elif shape.form == "map" and shape.item is not None:
        key, item = _entry(shape.item, _message(value), depth)
        result.setdefault(field.wire, {})[key] = item
    else:
        plain = _value(shape, value, depth)
        if plain is not None:
            result[field.wire] = plain


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise Malformed("a number stands where a message is due")
    return value


def _entry(shape: Shape, data: memoryview, depth: int) -> tuple[str, Any]:
    key = ""
    item: Any = {"string": "", "bytes": "", "quantity": "0"}.get(shape.form)
    for number, value in read_fields(data):
        if number == 1:
            key = _text(value)
        elif number == 2:
            item = _value(shape, value, depth)
    return key, item


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode()


def _value(shape: Shape, value: int | memoryview, depth: int) -> Any:
    match shape.form:
        case "integer" | "boolean" if isinstance(value, int):
            return bool(value) if shape.form == "boolean" else signed(value)
        case "string":
            return _text(value)
        case "bytes":
            return base64.b64encode(_message(value)).decode()
        case "struct" if shape.struct is not None:
            return decode_part(_message(value), shape.struct, depth + 1)
        case "quantity":
            fields = dict(read_fields(_message(value)))
            return _text(fields[1]) if 1 in fields else "0"
        case "time" | "microtime":
            return _time(_message(value), micro=shape.form == "microtime")
        case "intorstring":
            return _int_or_string(_message(value))
        case "list" if shape.item is not None:
            # A list inside a map has a message of its own around it (ExtraValue).
            item = shape.item
            return [_value(item, part, depth) for number, part in read_fields(_message(value)) if number == 1]
        case "any" | "map":
            fields = dict(read_fields(_message(value)))
            return msgspec.json.decode(_message(fields[1])) if 1 in fields else None
        case form:
            raise Malformed(f"a {form} has the wrong wire type")


def _time(data: memoryview, *, micro: bool) -> str | None:
    """RFC 3339; nothing for an empty message, which is Go's zero time."""
    fields = {number: signed(value) for number, value in read_fields(data) if isinstance(value, int)}
    if not fields:
        return None
    when = _EPOCH + timedelta(seconds=fields.get(1, 0), microseconds=fields.get(2, 0) // 1000 if micro else 0)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _int_or_string(data: memoryview) -> int | str:
    fields = dict(read_fields(data))
    if fields.get(1, 0) == 1:
        return _text(fields[3]) if 3 in fields else ""
    number = fields.get(2, 0)
    return signed(number) if isinstance(number, int) else 0

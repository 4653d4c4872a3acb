"""An OpenAPI 2 document in the protobuf form that Kubernetes' clients ask for.

kubectl knows no other form of version 2, and asks for it when version 3 has no word on a kind: to validate older
kinds, and to find that one does not exist. The numbers are those of ``openapi.v2`` in gnostic's OpenAPIv2.proto; keys
of the document that have no number here and do not begin with ``x-`` raise ValueError.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from api.codec import encode
from api.protobuf.wire import FIXED64, length_delimited, number_field, varint

CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

_Encode = Callable[[int, Any], bytes]


def encode_document(document: Mapping[str, Any]) -> bytes:
    """The message Document."""
    return _message(_DOCUMENT, document)


def _text(number: int, value: str) -> bytes:
    return length_delimited(number, value.encode())


def _whole(number: int, value: int) -> bytes:
    return number_field(number, int(value))


def _double(number: int, value: float) -> bytes:
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)


def _texts(number: int, values: list[str]) -> bytes:
    return b"".join(_text(number, one) for one in values)


def _any(number: int, value: Any) -> bytes:
    """Any carries YAML, and JSON is YAML."""
    return length_delimited(number, length_delimited(2, encode(value) + b"\n"))


def _anys(number: int, values: list[Any]) -> bytes:
    return b"".join(_any(number, one) for one in values)


def _of(name: str) -> _Encode:
    """A message, looked up when it is met: schemas hold schemas."""
    return lambda number, value: length_delimited(number, _message(_MESSAGES[name], value))


def _named(name: str, number_inside: int = 1) -> _Encode:
    """A map, as a message with a repeated pair of name and message."""

    def pairs_of(number: int, entries: Mapping[str, Any]) -> bytes:
        pairs = (_text(1, key) + _of(name)(2, value) for key, value in entries.items())
        return length_delimited(number, b"".join(length_delimited(number_inside, pair) for pair in pairs))

    return pairs_of


def _additional(number: int, value: Any) -> bytes:
    """AdditionalPropertiesItem: a schema, or whether there may be any."""
    inner = _whole(2, value) if isinstance(value, bool) else _of("schema")(1, value)
    return length_delimited(number, inner)


def _type(number: int, value: str) -> bytes:
    return length_delimited(number, _text(1, value))


def _inside(name: str) -> _Encode:
    """A message as the first field of another (ItemsItem, SchemaItem)."""
    return lambda number, value: length_delimited(number, _of(name)(1, value))


def _requirements(number: int, values: list[Mapping[str, list[str]]]) -> bytes:
    """Each a map of a definition's name to its scopes."""
    named = (
        (_text(1, name) + length_delimited(2, _texts(1, scopes)) for name, scopes in one.items()) for one in values
    )
    return b"".join(length_delimited(number, b"".join(length_delimited(1, pair) for pair in pairs)) for pairs in named)


def _definitions(number: int, entries: Mapping[str, Any]) -> bytes:
    """SecurityDefinitions; of the kinds of item there is only ApiKeySecurity, the second."""
    items = ((name, length_delimited(2, _message(_API_KEY, value))) for name, value in entries.items())
    pairs = (_text(1, name) + length_delimited(2, item) for name, item in items)
    return length_delimited(number, b"".join(length_delimited(1, pair) for pair in pairs))


def _responses(number: int, entries: Mapping[str, Any]) -> bytes:
    pairs = (_text(1, code) + _inside("response")(2, value) for code, value in entries.items())
    return length_delimited(number, b"".join(length_delimited(1, pair) for pair in pairs))


def _parameters(number: int, values: list[Mapping[str, Any]]) -> bytes:
    return b"".join(length_delimited(number, length_delimited(1, _parameter(one))) for one in values)


def _parameter(value: Mapping[str, Any]) -> bytes:
    """Parameter: one with a body, or one of the path or the query."""
    if value["in"] == "body":
        return _of("body")(1, value)
    kind = {"path": 4, "query": 3}[value["in"]]
    return length_delimited(2, _of(str(value["in"]))(kind, value))


def _message(fields: Mapping[str, tuple[int, _Encode]], value: Mapping[str, Any]) -> bytes:
    out = []
    for key, entry in value.items():
        if key.startswith("x-"):
            number, _ = fields["x-"]
            out.append(length_delimited(number, _text(1, key) + _any(2, entry)))
        elif key in fields:
            number, encode_field = fields[key]
            out.append(encode_field(number, entry))
        else:
            raise ValueError(f"no number is known for {key!r}")
    return b"".join(out)


_SCHEMA: dict[str, tuple[int, _Encode]] = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "maximum": (7, _double),
    "minimum": (9, _double),
    "maxLength": (11, _whole),
    "minLength": (12, _whole),
    "pattern": (13, _text),
    "maxItems": (14, _whole),
    "minItems": (15, _whole),
    "required": (19, _texts),
    "enum": (20, _anys),
    "additionalProperties": (21, _additional),
    "type": (22, _type),
    "items": (23, _inside("schema")),
    "properties": (25, _named("schema")),
    "x-": (31, _any),
}
_OPERATION: dict[str, tuple[int, _Encode]] = {
    "tags": (1, _texts),
    "summary": (2, _text),
    "description": (3, _text),
    "operationId": (5, _text),
    "produces": (6, _texts),
    "consumes": (7, _texts),
    "parameters": (8, _parameters),
    "responses": (9, _responses),
    "schemes": (10, _texts),
    "deprecated": (11, _whole),
    "x-": (13, _any),
}
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
_PATH: dict[str, tuple[int, _Encode]] = {
    **{method: (number, _of("operation")) for method, number in _METHODS.items()},
    "parameters": (9, _parameters),
    "x-": (10, _any),
}
_BODY: dict[str, tuple[int, _Encode]] = {
    "description": (1, _text),
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _whole),
    "schema": (5, _of("schema")),
    "x-": (6, _any),
}
_RESPONSE: dict[str, tuple[int, _Encode]] = {
    "description": (1, _text),
    "schema": (2, _inside("schema")),
    "x-": (5, _any),
}


def _simple(first_type: int, unique: int, extensions: int) -> dict[str, tuple[int, _Encode]]:
    """A parameter of the path or the query, which differ by one field in the middle."""
    return {
        "required": (1, _whole),
        "in": (2, _text),
        "description": (3, _text),
        "name": (4, _text),
        "type": (first_type, _text),
        "format": (first_type + 1, _text),
        "default": (first_type + 4, _any),
        "uniqueItems": (unique, _whole),
        "x-": (extensions, _any),
    }


_API_KEY: dict[str, tuple[int, _Encode]] = {
    "type": (1, _text),
    "name": (2, _text),
    "in": (3, _text),
    "description": (4, _text),
}
_INFO: dict[str, tuple[int, _Encode]] = {
    "title": (1, _text),
    "version": (2, _text),
    "description": (3, _text),
    "x-": (7, _any),
}
_MESSAGES: dict[str, dict[str, tuple[int, _Encode]]] = {
    "schema": _SCHEMA,
    "operation": _OPERATION,
    "path item": _PATH,
    "body": _BODY,
    "response": _RESPONSE,
    "path": _simple(5, 19, 22),
    "query": _simple(6, 20, 23),
    "info": _INFO,
}
_DOCUMENT: dict[str, tuple[int, _Encode]] = {
    "swagger": (1, _text),
    "info": (2, _of("info")),
    "paths": (8, _named("path item", 2)),
    "definitions": (9, _named("schema")),
    "security": (12, _requirements),
    "securityDefinitions": (13, _definitions),
    "x-": (16, _any),
}

"""Finds what a client wrote that no declaration knows: misspelt fields, and keys given twice.

Kubernetes prunes such fields silently, warns of them, or refuses them, as ``fieldValidation`` asks.
"""

import json
from collections.abc import Iterator
from typing import Any

from api.schema import Shape, by_wire
from api.struct import Struct


def unknown_fields(document: Any, kind: type[Struct]) -> list[str]:
    """Paths (``spec.containers[0].imagee``) of fields that the type does not have."""
    return list(_unknown(document, Shape("struct", struct=kind), ""))


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


def duplicate_keys(data: bytes | str) -> list[str]:
    """Names of keys that stand twice in one object of a JSON text."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in items:
            if key in result:
                found.append(key)
            result[key] = value
        return result

    json.loads(data, object_pairs_hook=pairs)
    return found

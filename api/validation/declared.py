"""Checks every part of an object against its declaration: required, enum, bounds and form."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from api.errors import FieldError, invalid, not_supported, required
from api.formats import FORMATS, label_value
from api.meta import Object, ObjectMeta
from api.schema import FieldSchema, fields_of
from api.struct import Struct
from api.validation.quick import checker, empty_is_judged

_Check = Callable[[Any, str], Iterator[FieldError]]
# The server owns these; nothing that a client writes there is kept.
_UNCHECKED = ("apiVersion", "kind", "status")


def declared_errors(item: Object) -> list[FieldError]:
    if checker(type(item), _checked)(item):
        return []
    return [error for field in _checked(type(item)) for error in _field_errors(item, field, "")]


@cache
def _checked(kind: type[Struct]) -> tuple[FieldSchema, ...]:
    """The fields of a part that have anything to check, in themselves or further down."""
    top = issubclass(kind, Object)
    return tuple(field for field in fields_of(kind) if not (top and field.wire in _UNCHECKED) and _has_rules(field))


@cache
def _has_rules(field: FieldSchema) -> bool:
    spec = field.spec
    if spec.required or spec.enum or spec.form or spec.minimum is not None or spec.maximum is not None:
        return True
    shape = field.shape
    part = shape.struct or (shape.item.struct if shape.item else None)
    return part is not None and bool(_checked(part))


def _field_errors(part: Struct, field: FieldSchema, prefix: str) -> Iterator[FieldError]:
    value = getattr(part, field.attribute)
    path = f"{prefix}{field.wire}"
    if value is None or value in ("", 0) or value == [] or value == {}:
        if field.spec.required:
            yield required(path, field.spec.required if isinstance(field.spec.required, str) else "")
        elif value is not None and empty_is_judged(field):
            yield from _value_errors(value, field, path)
        return
    yield from _value_errors(value, field, path)
    shape = field.shape
    if shape.form == "struct":
        yield from _part_errors(value, path)
    elif shape.form == "list" and shape.item is not None and shape.item.struct is not None:
        for index, item in enumerate(value):
            yield from _part_errors(item, f"{path}[{index}]")


def _part_errors(part: Struct, path: str) -> Iterator[FieldError]:
    for field in _checked(type(part)):
        yield from _field_errors(part, field, f"{path}.")


def _value_errors(value: Any, field: FieldSchema, path: str) -> Iterator[FieldError]:
    spec = field.spec
    if spec.enum and not spec.form:
        for one in value if isinstance(value, list) else (value,):
            if one not in spec.enum:
                yield not_supported(path, one, spec.enum)
    if isinstance(value, int) and not isinstance(value, bool):
        yield from _bound_errors(value, field, path)
    if spec.form:
        yield from _form_errors(value, spec.form, path)


def _bound_errors(value: int, field: FieldSchema, path: str) -> Iterator[FieldError]:
    low, high = field.spec.minimum, field.spec.maximum
    if field.spec.form == "port":
        low, high = 1, 65535
    if low is not None and high is not None and not low <= value <= high:
        yield invalid(path, value, f"must be between {low} and {high}, inclusive")
    elif low is not None and value < low:
        yield invalid(path, value, f"must be greater than or equal to {low}")
    elif high is not None and value > high:
        yield invalid(path, value, f"must be less than or equal to {high}")


def _form_errors(value: Any, form: str, path: str) -> Iterator[FieldError]:
    rule = FORMATS[form]
    if isinstance(value, str):
        if wrong := rule(value):
            yield invalid(path, value, wrong)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if wrong := rule(item):
                yield invalid(f"{path}[{index}]", item, wrong)
    elif isinstance(value, dict):
        for key, item in value.items():
            if wrong := rule(key):
                yield invalid(path, key, wrong)
            if form == "label" and (wrong := label_value(item)):
                yield invalid(path, item, wrong)


def immutable_errors(new: Object, old: Object) -> list[FieldError]:
    """Top-level fields that are declared immutable and were changed."""
    return [
        invalid(field.wire, getattr(new, field.attribute), "field is immutable")
        for field in fields_of(type(new))
        if field.spec.immutable and getattr(new, field.attribute) != getattr(old, field.attribute)
    ]


def declared_metadata_errors(metadata: ObjectMeta, path: str) -> list[FieldError]:
    """As ``declared_errors``, of metadata alone: an object's, or a template's."""
    if checker(ObjectMeta, _checked)(metadata):
        return []
    return list(_part_errors(metadata, path))

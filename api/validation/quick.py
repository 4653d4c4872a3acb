"""Says quickly that a part breaks no rule of its declarations.

Nearly every object is fine, and to say so is on the path of every write: so a function is made for each part, once,
from its declarations. What is wrong, and where, is for ``declared`` to find; the two are compared by the tests.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from api.formats import FORMATS, label_value
from api.schema import FieldSchema
from api.struct import Struct

Fine = Callable[[Any], bool]
FieldsToCheck = Callable[[type[Struct]], tuple[FieldSchema, ...]]


class _Source:
    """Lines of a function, and the names that they use."""

    def __init__(self) -> None:
        self.lines = ["def fine(part):"]
        self.names: dict[str, Any] = {}

    def add(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def name(self, value: Any) -> str:
        name = f"n{len(self.names)}"
        self.names[name] = value
        return name

    def function(self) -> Fine:
        self.add(1, "return True")
        exec("\n".join(self.lines), self.names)  # the text is made of declarations, never of input
        made: Fine = self.names["fine"]
        return made


@cache
def checker(kind: type[Struct], fields_to_check: FieldsToCheck) -> Fine:
    """A function that tells whether a part of this type is fine."""
    source = _Source()
    for field in fields_to_check(kind):
        source.add(1, f"value = part.{field.attribute}")
        if field.spec.required:
            source.add(1, "if not value: return False")
        source.add(1, "if value is not None:" if empty_is_judged(field) else "if value:")
        before = len(source.lines)
        _rules(source, field)
        _parts(source, field, fields_to_check)
        if len(source.lines) == before:
            source.add(2, "pass")
    return source.function()


def empty_is_judged(field: FieldSchema) -> bool:
    """Whether what is empty was meant so, and must keep the rules: an absent value is None, or the field is one that
    everybody writes."""
    return not field.spec.required and (field.optional or bool(field.spec.listed))


def _rules(source: _Source, field: FieldSchema) -> None:
    spec, form = field.spec, field.shape.form
    if spec.enum and not spec.form:
        allowed = source.name(frozenset(spec.enum))
        told = f"not {allowed}.issuperset(value)" if form == "list" else f"value not in {allowed}"
        source.add(2, f"if {told}: return False")
    low, high = (1, 65535) if spec.form == "port" else (spec.minimum, spec.maximum)
    if low is not None or high is not None:
        guard = "type(value) is int and " if form == "intorstring" else ""
        bounds = f"{'' if low is None else f'{low} <= '}value{'' if high is None else f' <= {high}'}"
        source.add(2, f"if {guard}not ({bounds}): return False")
    if spec.form:
        _form(source, spec.form, form)


def _form(source: _Source, name: str, form: str) -> None:
    rule = source.name(FORMATS[name])
    match form:
        case "string":
            source.add(2, f"if {rule}(value): return False")
        case "intorstring":
            source.add(2, f"if type(value) is not int and {rule}(value): return False")
        case "list":
            source.add(2, f"for item in value:\n            if {rule}(item): return False")
        case _:
            source.add(2, f"for key in value:\n            if {rule}(key): return False")
            if name == "label":
                value_rule = source.name(label_value)
                source.add(2, f"for item in value.values():\n            if {value_rule}(item): return False")


def _parts(source: _Source, field: FieldSchema, fields_to_check: FieldsToCheck) -> None:
    shape = field.shape
    part = shape.struct or (shape.item.struct if shape.form == "list" and shape.item else None)
    if part is None or not fields_to_check(part):
        return
    inner = source.name(checker(part, fields_to_check))
    if shape.struct is not None:
        source.add(2, f"if not {inner}(value): return False")
    else:
        source.add(2, f"for item in value:\n            if not {inner}(item): return False")

"""Says what is wrong with a body in the words of Kubernetes, whose API server is written in Go.

People and programs match on ``json: cannot unmarshal string into Go struct field
ReplicationControllerSpec.spec.replicas of type int32``; msgspec says ``Expected `int`, got `str` - at
`$.spec.replicas` ``.
"""

import re
from typing import Any

import msgspec

from api.schema import Shape, by_wire
from api.struct import Struct

_GIVEN = {"str": "string", "int": "number", "float": "number", "bool": "bool", "array": "array", "object": "object"}
_BYTE = re.compile(r"\(byte (\d+)\)")
_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_GOT = re.compile(r"got `([a-z]+)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]|\.\[\.\.\.\]")
_GO = {"string": "string", "boolean": "bool", "number": "float64", "bytes": "[]uint8", "quantity": "resource.Quantity"}


def explain(error: msgspec.MsgspecError, kind: type[Struct], plain: Any) -> str:
    """The sentence for a body that does not fit ``kind``; ``plain`` is the body as dicts and lists, for its values."""
    match = _PATH.match(str(error))
    assert match is not None
    what, path = match["what"], match["path"]
    steps = [field or index or "..." for field, index in _STEP.findall(path or "")]
    struct, shape = _walk(kind, steps)
    wire_path = ".".join(step for step in steps if not step.isdigit() and step != "...")
    if "Expected" not in what:
        return f"{wire_path}: {what}" if wire_path else what
    given = _given(what, _value(plain, steps))
    into = f" into Go struct field {struct}.{wire_path}" if wire_path else " into Go value"
    return f"json: cannot unmarshal {given}{into} of type {_go_type(shape, kind)}"


def unparsed(error: msgspec.MsgspecError, data: bytes) -> str:
    """The sentence for a body that is no JSON, or no object."""
    if isinstance(error, msgspec.ValidationError):
        given = _given(str(error), None)
        return f"json: cannot unmarshal {given} into Go value of type struct {{ APIVersion string; Kind string }}"
    at = _BYTE.search(str(error))
    if at is None:
        return "unexpected end of JSON input"
    return f"invalid character {chr(data[int(at[1])])!r} at byte {at[1]}" if int(at[1]) < len(data) else str(error)


def _given(what: str, value: Any) -> str:
    got = _GOT.search(what)
    if got is not None and got[1] != "float":
        return _GIVEN.get(got[1], got[1])
    return f"number {value}" if isinstance(value, int | float) else "number"


def _walk(kind: type[Struct], steps: list[str]) -> tuple[str, Shape | None]:
    """The struct that holds the last field of a path, and the shape at its end."""
    shape: Shape | None = Shape("struct", struct=kind)
    holder = kind.__name__
    for step in steps:
        if shape is None:
            break
        if shape.form in ("list", "map"):
            shape = shape.item
        elif shape.struct is not None:
            holder = shape.struct.__name__
            field = by_wire(shape.struct).get(step)
            shape = field.shape if field is not None else None
    return holder, shape


def _value(plain: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(plain, dict):
            plain = plain.get(step)
        elif isinstance(plain, list) and step.isdigit() and int(step) < len(plain):
            plain = plain[int(step)]
        else:
            return None
    return plain


def _go_type(shape: Shape | None, kind: type[Struct]) -> str:
    if shape is None:
        return f"v1.{kind.__name__}"
    match shape.form:
        case "list":
            return f"[]{_go_type(shape.item, kind)}"
        case "map":
            return f"map[string]{_go_type(shape.item, kind)}"
        case "struct":
            return f"v1.{(shape.struct or kind).__name__}"
        case "integer":
            return shape.width or "int"
        case "time":
            return "v1.Time"
        case "microtime":
            return "v1.MicroTime"
        case "intorstring":
            return "intstr.IntOrString"
        case form:
            return _GO.get(form, form)

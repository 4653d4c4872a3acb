"""Which field of a part stands under which number."""

from functools import cache

from api.schema import FieldSchema, fields_of
from api.struct import Struct

Numbered = dict[int, "FieldSchema | Numbered"]


@cache
def numbered(kind: type[Struct]) -> Numbered:
    """The fields of a part by number; a map of its own under the number of each message that Kubernetes inlines."""
    table: Numbered = {}
    for field in fields_of(kind):
        number = path_of(kind, field)
        if number == (0,):
            continue
        place = table
        for step in number[:-1]:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise TypeError(f"{kind.__name__}.{field.attribute}: number {step} is taken")
            place = inner
        if number[-1] in place:
            raise TypeError(f"{kind.__name__}.{field.attribute}: number {number[-1]} is taken")
        place[number[-1]] = field
    return table


def path_of(kind: type[Struct], field: FieldSchema) -> tuple[int, ...]:
    """The numbers that lead to a field: one, or two when Kubernetes wraps it in an inlined message."""
    number = field.spec.number
    path = number if isinstance(number, tuple) else (number,)
    wrapped = getattr(kind, "inherited_number", 0)
    own = field.attribute in kind.__annotations__
    return (wrapped, *path) if wrapped and not own else path

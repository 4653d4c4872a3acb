"""Objects whose spec stays the JSON that it is: for writes of a status, which leave it alone.

To read the spec of a pod or node, and to write it again, costs more than all that a status write changes.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from api.meta import Object
from api.scalars import decode_scalar

T = TypeVar("T", bound=Object)


def decode_beside_spec(data: bytes, kind: type[T]) -> T:
    """An object in the place of whose spec stands a ``msgspec.Raw``. Raises msgspec.MsgspecError, for a null where a
    value is due as well."""
    found = _decoder(kind).decode(data)
    return kind(**{name: getattr(found, name) for name in kind.__struct_fields__})


@cache
def _decoder(kind: type[Object]) -> msgspec.json.Decoder[Any]:
    fields = [
        (field.name, msgspec.Raw, msgspec.field(name="spec", default=msgspec.Raw(b"{}")))
        if field.name == "spec"
        else (field.name, field.type, msgspec.field(name=field.encode_name, default_factory=_maker(field)))
        for field in msgspec.structs.fields(kind)
    ]
    return msgspec.json.Decoder(msgspec.defstruct(f"{kind.__name__}BesideSpec", fields), dec_hook=decode_scalar)


def _maker(field: msgspec.structs.FieldInfo) -> Callable[[], Any]:
    """Makes the value of a field that is left out."""
    if field.default_factory is not msgspec.NODEFAULT:
        return cast(Callable[[], Any], field.default_factory)
    return lambda: field.default

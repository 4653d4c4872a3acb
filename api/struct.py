"""The one declaration of a field, and the base of every part of an object.

A field is declared in one line: its type, its protobuf number, what it means, and what else Kubernetes says of it::

    restart_policy: Annotated[str, F(3, "When an ended container is started again.", default="Always")] = ""

Decoding, defaulting, validation, patching, OpenAPI, ``kubectl explain`` and the documentation all read that line. The
Python default is the absent value (it is left out of the encoded form); ``F.default`` is the value that the API server
fills in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

_ACRONYMS = {
    "api": "API",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "fqdn": "FQDN",
    "id": "ID",
    "io": "IO",
    "ip": "IP",
    "ipc": "IPC",
    "ips": "IPs",
    "pid": "PID",
    "uri": "URI",
    "urls": "URLs",
    "uuid": "UUID",
    "wwns": "WWNs",
}


def wire_name(attribute: str) -> str:
    """The JSON name of a Python attribute: ``pod_ip`` is ``podIP`` on the wire, ``api_version`` is ``apiVersion``."""
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(_ACRONYMS.get(part, part.capitalize()) for part in rest)


@dataclass(frozen=True, slots=True)
class F:
    """What a field's type and name do not say.

    number: protobuf field number as in Kubernetes' generated.proto; a pair where Kubernetes wraps the field in an
    inlined message.
    text: one or two sentences for ``kubectl explain`` and the reference pages.
    default: what the API server fills in when the client left the field out.
    required: must be there and not empty; the words that Kubernetes adds to that, where it does.
    listed: whether OpenAPI calls it required, where that is not ``required``: Kubernetes tells there what is always
    written, which is not always what validation asks for. So an empty value of such a field is judged as any other.
    merge_key: list of parts that strategic merge patch and apply treat as a map by this JSON name.
    second_key: what else tells the items apart for apply, which looks at both.
    merge: the strategy is "merge" for a list of plain values or for a map's own keys (``patchStrategy=merge``).
    retain_keys: strategic merge clears the union's other members (``patchStrategy=retainKeys``).
    enum: the only values allowed; where there is a form too, that one judges. minimum, maximum: bounds of an integer,
    both included.
    form: name of a rule in api.formats that a string, each string of a list, or each key of a map must keep.
    immutable: may not change once the object exists.
    """

    number: int | tuple[int, int]
    text: str
    default: Any = None
    required: bool | str = False
    listed: bool | None = None
    merge_key: str = ""
    second_key: str = ""
    merge: bool = False
    retain_keys: bool = False
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    form: str = ""
    immutable: bool = False


class Struct(msgspec.Struct, kw_only=True, omit_defaults=True, rename=wire_name, gc=False):
    """Base of every part of an object. Absent values (empty string, zero, false, empty list or map, None) are not
    encoded.

    An object is a tree, as JSON is, and never holds itself. So the garbage collector need not look at it (``gc``): with
    thousands of pods in memory it has half as much to go through, and none of them carries the collector's links.

    whole: whether apply replaces such a part as one, instead of field by field.
    """

    whole: ClassVar[bool] = False


def always(factory: Callable[[], Any]) -> Any:
    """Default of a field that is encoded even when it holds its zero value, as Kubernetes does for a few.

    ``factory`` is the zero value's type: bool, int, str or list. (msgspec leaves a default out of the encoded form
    when it is a constant, or when its factory is list or dict itself and the value is empty.)
    """

    def zero() -> Any:
        return factory()

    return msgspec.field(default_factory=zero)

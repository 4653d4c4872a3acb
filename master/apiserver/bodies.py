"""Bodies of requests to typed objects: media type, syntax, type of the object, types of its fields, unknown fields.

Each refusal is one that Kubernetes gives, in its words. A protobuf body becomes the JSON it stands for at once.
"""

import re
from typing import Any, TypeVar

import msgspec

from api import protobuf
from api.codec import decode, encode
from api.errors import BadRequest, Invalid, TooLarge, UnsupportedMediaType, invalid, invalid_object
from api.resources import find_kind
from api.strict import duplicate_keys, knows_all_fields, unknown_fields
from api.struct import Struct
from master.apiserver.decode_errors import explain, unparsed
from master.apiserver.http.message import Request

T = TypeVar("T", bound=Struct)

_YAML = ("application/yaml", "application/x-yaml", "text/yaml")
_SUPPORTED = "the body of the request was in an unknown format - accepted media types include: {}"
_PARTS_MAX = 20_000
_BEGIN_BYTES = 30
_PART = re.compile(rb'\{\s*["}]')
FIELD_VALIDATION = ("Ignore", "Warn", "Strict")
UNSAID = ""
"""The client asked for no field validation: unknown fields are warned of, the costly look for doubles is left out."""


class _TypeMeta(msgspec.Struct, rename="camel"):
    api_version: str | None = ""
    kind: str | None = ""


class Expected(msgspec.Struct, frozen=True):
    """What a body must hold: ``kind`` may be another name than the type's, ``api_version`` as on the wire, ``also``
    other versions of the same fields."""

    type: type[Struct]
    api_version: str
    kind: str
    also: tuple[str, ...] = ()

    def is_version(self, api_version: str) -> bool:
        return api_version == self.api_version or api_version in self.also


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_object(request: Request, expected: Expected, kind: type[T], *, validation: str) -> tuple[T, list[str]]:
    """The typed object of a body and warnings for the client. Raises BadRequest, UnsupportedMediaType."""
    data = json_of(request.body, media_type(request), expected)
    return typed(data, expected, kind, validation=validation)


def json_of(body: bytes, media: str, expected: Expected) -> bytes:
    """The JSON of a body in JSON, YAML or protobuf. Raises TooLarge, BadRequest, UnsupportedMediaType."""
    data = _json_of(body, media, expected)
    check_parts(data)
    return data


def check_parts(data: bytes) -> None:
    """Raises TooLarge for a document of more objects within objects than any manifest has: each is made, completed and
    judged on the event loop, where the others wait. In a string ``{`` is followed by an escape, so text rarely counts.
    """
    if len(data) <= 2 * _PARTS_MAX:
        return
    for number, _ in enumerate(_PART.finditer(data)):
        if number >= _PARTS_MAX:
            raise TooLarge(f"the request holds more than {_PARTS_MAX} objects")


def _json_of(body: bytes, media: str, expected: Expected) -> bytes:
    if media in ("", "application/json"):
        return body
    if media == protobuf.CONTENT_TYPE:
        return _json_of_protobuf(body, expected)
    if media in _YAML:
        return _json_of_yaml(body, expected)
    accepted = f"application/json, application/yaml, {protobuf.CONTENT_TYPE}"
    raise UnsupportedMediaType(_SUPPORTED.format(accepted))


def _json_of_yaml(body: bytes, expected: Expected) -> bytes:
    from master.apiserver import yaml_bodies  # clients convert YAML themselves: hardly any body is

    try:
        return encode(yaml_bodies.load(body))
    except (yaml_bodies.YamlError, TypeError, ValueError) as error:
        raise _unreadable(expected, f"error converting YAML to JSON: yaml: {error}", "") from error


def _json_of_protobuf(body: bytes, expected: Expected) -> bytes:
    """Of a body that holds another kind only the type, for that is what it is refused for. Raises BadRequest."""
    api_version, kind, raw = protobuf.unwrap(body)
    is_it = kind == expected.kind and expected.is_version(api_version)
    plain = protobuf.decode(raw, expected.type) if is_it else {}
    return encode(plain | {"apiVersion": api_version, "kind": kind})


def typed(data: bytes, expected: Expected, kind: type[T], *, validation: str) -> tuple[T, list[str]]:
    """The object of a JSON document. ``validation`` is Ignore, Warn, Strict or UNSAID."""
    try:
        item = decode(data, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # What kind a body says it has is the first thing to be refused.
        raise _misfit(error, data, expected, _type_of(data, expected)) from error
    if not fits(item, expected):
        _type_of(data, expected)
    return item, _strictly(data, kind, validation)


def fits(item: Any, expected: Expected) -> bool:
    """Whether an object says it is what is expected, in so many words."""
    return getattr(item, "kind", "") == expected.kind and expected.is_version(getattr(item, "api_version", ""))


def from_plain(plain: Any, expected: Expected, kind: type[T], *, validation: str) -> tuple[T, list[str]]:
    """As ``typed``, for what a patch made: what does not fit is the patch's fault, and Invalid."""
    data = encode(plain)
    check_parts(data)
    try:
        item = decode(data, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _wrong_patch(data, _misfit(error, data, expected, expected.kind)) from error
    if not fits(item, expected):
        _check_kept(data, expected)
    return item, _judge(_unknown(data, kind), validation) if validation != "Ignore" else []


def _check_kept(data: bytes, expected: Expected) -> None:
    """Raises Invalid for a patch that makes another kind of an object."""
    try:
        _type_of(data, expected)
    except BadRequest as error:
        raise _wrong_patch(data, error) from error


def _wrong_patch(data: bytes, error: BadRequest) -> Invalid:
    return invalid_object("", "", "", [invalid("patch", data.decode(errors="replace"), error.message)])


def _strictly(data: bytes, kind: type[Struct], validation: str) -> list[str]:
    """Warnings of unknown fields and, where the client asked for a check by name, of keys given twice."""
    if validation == "Ignore":
        return []
    problems = _unknown(data, kind)
    if validation != UNSAID:
        problems += [f'duplicate field "{name}"' for name in duplicate_keys(data)]
    return _judge(problems, validation)


def _unknown(data: bytes, kind: type[Struct]) -> list[str]:
    if knows_all_fields(data, kind):
        return []
    return [f'unknown field "{path}"' for path in unknown_fields(msgspec.json.decode(data), kind)]


def _judge(problems: list[str], validation: str) -> list[str]:
    """The warnings. Raises BadRequest when they are to count as errors."""
    if validation == "Ignore":
        return []
    if problems and validation == "Strict":
        raise BadRequest("strict decoding error: " + ", ".join(problems))
    return problems


def _type_of(data: bytes, expected: Expected) -> str:
    """The kind that a body says it has. Raises BadRequest when it is another one than expected."""
    try:
        given = msgspec.json.decode(data, type=_TypeMeta | None) or _TypeMeta()
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _misfit(error, data, expected, expected.kind) from error
    kind, version = given.kind or expected.kind, given.api_version or expected.api_version
    if kind != expected.kind or not (expected.is_version(version) or find_kind(version, kind)):
        raise _unreadable(expected, f'no kind "{kind}" is registered for version "{version}" here', kind, version)
    if not expected.is_version(version):
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version ({expected.api_version})"
        )
    return kind


def _misfit(error: Exception, data: bytes, expected: Expected, given: str) -> BadRequest:
    if not isinstance(error, msgspec.MsgspecError):
        return _unreadable(expected, f"json: {error}" if str(error) else "json: nested too deeply", given)
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        why = f"couldn't get version/kind; json parse error: {unparsed(error, data)} ({_begin(data)})"
        raise BadRequest(f"the object provided is unrecognized (must be of type {expected.kind}): {why}") from error
    return _unreadable(expected, explain(error, expected.type, plain), given)


def _begin(data: bytes) -> str:
    """The first bytes of a body that is nothing, as text where they may be meant as JSON."""
    shown = data[:_BEGIN_BYTES]
    text = shown.decode(errors="replace") if shown.startswith(b"{") else shown.hex()
    return (text + (" ..." if len(data) > _BEGIN_BYTES else "")) or "<empty>"


def _unreadable(expected: Expected, why: str, given: str, version: str = "") -> BadRequest:
    kind = given or expected.kind
    version = (version or expected.api_version).rpartition("/")[2]
    return BadRequest(f'{kind} in version "{version}" cannot be handled as a {expected.kind}: {why}')

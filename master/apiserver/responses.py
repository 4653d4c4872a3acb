"""Whole answers: bytes of JSON, or a Status for an error."""

from collections.abc import Sequence
from typing import Any

import msgspec

from api import protobuf
from api.codec import encode
from api.errors import ApiError, NotAcceptable
from api.meta import Status, StatusDetails
from api.resources import Resource
from master.apiserver.http.message import Request, Response
from master.apiserver.negotiation import PLAIN, Output, output_of

_RETRY_AFTER = {429, 503}
_WARNING_BYTES = 4096
Headers = list[tuple[str, str]]


def plain_response(value: Any, status: int = 200) -> Response:
    """A struct, or dicts and lists, as JSON."""
    return Response(status, encode(value))


def text_response(text: str, status: int = 200) -> Response:
    as_it_is = [("X-Content-Type-Options", "nosniff")]
    return Response(status, text.encode(), content_type="text/plain; charset=utf-8", headers=as_it_is)


def error_response(request: Request, error: ApiError) -> Response:
    """A refusal, in the form the client wants; in JSON when it wants none that we have."""
    headers: Headers = []
    if seconds := _retry_after_s(error):
        headers.append(("Retry-After", str(seconds)))
    output = _accepted(request)
    status = error.status()
    if output.protobuf:
        body = protobuf.encode(status, status.api_version, status.kind)
        return Response(error.code, body, content_type=protobuf.CONTENT_TYPE, headers=headers)
    if output.yaml:
        return Response(error.code, as_yaml(encode(status)), content_type="application/yaml", headers=headers)
    body = encode(status)
    return Response(error.code, pretty(body) if wants_pretty(request) else body, headers=headers)


def _retry_after_s(error: ApiError) -> int:
    """What an error says itself, be it not to try again (0)."""
    if error.details is not None:
        return error.details.retry_after_seconds
    return 1 if error.code in _RETRY_AFTER else 0


def _accepted(request: Request) -> Output:
    try:
        return output_of(request.headers.get("accept", ""))
    except NotAcceptable:
        return PLAIN


def success(resource: Resource, name: str, uid: str = "") -> Status:
    """The Status of a call that worked and has no object to show."""
    details = StatusDetails(name=name, group=resource.group, kind=resource.plural, uid=uid)
    return Status(status="Success", details=details)


def warnings(texts: Sequence[str]) -> Headers:
    """``Warning`` headers, which kubectl prints (RFC 7234, section 5.5); as many as fit into a head."""
    headers: Headers = []
    left = _WARNING_BYTES
    for text in texts:
        left -= len(text)
        if left < 0:
            break
        headers.append(("Warning", f'299 - "{_quoted(text)}"'))
    return headers


def _quoted(text: str) -> str:
    plain = "".join(letter if letter >= " " and letter != "\x7f" else " " for letter in text)
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    # Headers are written as Latin-1, and Go's clients read them as UTF-8.
    return escaped.encode("utf-8", errors="replace").decode("latin-1")


def as_yaml(body: bytes) -> bytes:
    """The YAML of a JSON document."""
    import yaml  # hardly any client asks for it

    text: str = yaml.dump(msgspec.json.decode(body), Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    return text.encode()


# Go's strconv.ParseBool.
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FOR_PEOPLE = ("curl", "Wget", "Mozilla/5.0")


def wants_pretty(request: Request) -> bool:
    """Whether JSON is to be indented: when asked for, or for programs in front of which people sit."""
    if request.raw_query and "pretty" in request.query:
        return request.query["pretty"][0] in _TRUE
    return request.headers.get("user-agent", "").startswith(_FOR_PEOPLE)


def pretty(body: bytes) -> bytes:
    return msgspec.json.format(body, indent=2) + b"\n"

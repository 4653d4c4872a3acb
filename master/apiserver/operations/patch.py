"""PATCH of an object or its status: JSON patch, merge patch, strategic merge patch."""

from typing import Any

import msgspec

from api.errors import BadRequest, UnsupportedMediaType
from api.meta import Object
from api.patching import json_patch, merge_patch, strategic_merge
from api.strict import knows_all_fields
from api.struct import Struct
from master.apiserver.backend import Backend
from master.apiserver.bodies import check_parts, from_plain, media_type
from master.apiserver.cache import Item
from master.apiserver.call import Call
from master.apiserver.forms import served, stored
from master.apiserver.http.message import Response
from master.apiserver.operations.update import change, check_identity
from master.apiserver.rendering import object_answer

JSON, MERGE, STRATEGIC = (f"application/{form}+json" for form in ("json-patch", "merge-patch", "strategic-merge-patch"))
MEDIA_TYPES = (JSON, MERGE, STRATEGIC)
_BESIDE_SPEC = {"apiVersion", "kind", "metadata", "status"}
_parts_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def patch(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Invalid, UnsupportedMediaType; Conflict when the patch names a version."""
    media, body = read_patch(call)
    names_version = _names_version(media, body)
    await backend.registry.reach_named(named_version(media, body))
    validation = call.field_validation
    if media != JSON and knows_all_fields(call.request.body, call.target.resource.type):
        # The object has no others, and what is small is looked through sooner than the whole.
        validation = "Ignore"

    def wanted(item: Item) -> Object:
        target = call.target
        before = _before(call, item, media, body)
        document = applied(media, before, body, target.resource.type)
        new, warnings = from_plain(document, target.expected, target.resource.type, validation=validation)
        call.warnings[:] = warnings
        if not names_version:
            # The version came from the object, not from the client: a conflict is ours to solve.
            new.metadata.resource_version = ""
        check_identity(new, target)
        return stored(target.resource, new, item)

    return object_answer(call, await change(backend, call, wanted))


def _before(call: Call, item: Item, media: str, body: Any) -> dict[str, Any]:
    """What the patch is carried out on. A patch of the status cannot change the spec: one that does not name it, as
    those of kubelets do, is spared the reading of it."""
    if call.target.subresource == "status" and media != JSON and body.keys() <= _BESIDE_SPEC:
        parts = _parts_decoder.decode(served(call.target.resource, item.wire))
        return {name: msgspec.json.decode(part) for name, part in parts.items() if name != "spec"}
    document: dict[str, Any] = msgspec.json.decode(served(call.target.resource, item.wire))
    return document


def read_patch(call: Call) -> tuple[str, Any]:
    """The media type of a patch and what it holds. Raises UnsupportedMediaType, BadRequest."""
    media = media_type(call.request)
    if media not in MEDIA_TYPES:
        accepted = ", ".join(MEDIA_TYPES)
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        )
    check_parts(call.request.body)
    try:
        body = msgspec.json.decode(call.request.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    if media == JSON and not isinstance(body, list):
        raise BadRequest("error decoding patch: json: a JSON patch must be a list of operations")
    if media != JSON and not isinstance(body, dict):
        raise BadRequest("error decoding patch: json: a merge patch must be an object")
    return media, body


def applied(media: str, document: dict[str, Any], body: Any, kind: type[Struct]) -> dict[str, Any]:
    """The document with the patch carried out. Raises BadRequest, Invalid."""
    if media == JSON:
        return json_patch(document, body)
    if media == MERGE:
        return merge_patch(document, body)
    return strategic_merge(document, body, kind)


def _names_version(media: str, body: Any) -> bool:
    if media == JSON:
        paths = ("/metadata/resourceVersion", "/metadata", "")
        return any(isinstance(step, dict) and step.get("path") in paths for step in body)
    metadata = body.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("resourceVersion"))


def named_version(media: str, body: Any) -> str:
    """The resourceVersion that a patch wants the object to have; empty when it names none."""
    if media == JSON:
        steps = (step for step in body if isinstance(step, dict) and step.get("path") == "/metadata/resourceVersion")
        found = next((step.get("value") for step in steps), None)
    else:
        metadata = body.get("metadata")
        found = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""

"""GET, PUT and PATCH of ``/scale``: the size of whatever runs a number of pods, as ``autoscaling/v1`` Scale."""

from typing import Any

import msgspec

from api.apps_sets import StatefulSet
from api.autoscaling import Scale, ScaleSpec, ScaleStatus
from api.codec import decode, encode
from api.errors import NotFound, invalid, invalid_object
from api.meta import LabelSelector, Object, ObjectMeta, StatusDetails
from api.resources import Resource
from api.selectors import Selector, from_label_selector, from_map
from master.apiserver.backend import Backend
from master.apiserver.bodies import Expected, from_plain, read_object
from master.apiserver.cache import Item
from master.apiserver.call import Call, Target
from master.apiserver.http.message import Response
from master.apiserver.negotiation import Form
from master.apiserver.operations.patch import applied, named_version, read_patch
from master.apiserver.operations.update import change, check_identity
from master.apiserver.registry import not_found
from master.apiserver.rendering import object_answer, struct_answer
from master.apiserver.strategies import check_uid

_SCALE = Expected(Scale, "autoscaling/v1", "Scale")
_SCALES = Resource(Scale, "autoscaling", "v1", "scales")
"""As what a scale is shown in a table; it has no place of its own."""


def get(backend: Backend, call: Call) -> Response:
    """Raises NotFound."""
    target = call.target
    item = backend.registry.cache.table(target.resource).get(target.namespace, target.name)
    if item is None:
        raise _not_found(target) if target.resource.type is not StatefulSet else not_found(target.resource, target.name)
    return _answer(call, _scale_of(item.decode()))


def _not_found(target: Target) -> NotFound:
    """By the subresource, and for what has no group by that of the scale: so Kubernetes tells it to who reads, but of
    stateful sets."""
    group = target.resource.group or "autoscaling"
    details = StatusDetails(name=target.name, group=group, kind=target.named)
    return NotFound(f'{target.named}.{group} "{target.name}" not found', details=details)


def _answer(call: Call, scale: Scale) -> Response:
    if call.output.form is Form.OBJECT:
        return struct_answer(call, scale)
    shown_as = Call(call.request, call.user, call.verb, Target(_SCALES), call.output, call.warnings)
    return object_answer(shown_as, encode(scale))


async def update(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Invalid, Conflict."""
    scale, warnings = read_object(call.request, _SCALE, Scale, validation=call.field_validation)
    call.warnings += warnings
    await backend.registry.reach_named(scale.metadata.resource_version)
    return await _change(backend, call, lambda _: scale)


async def patch(backend: Backend, call: Call) -> Response:
    """The three forms of patch, on the Scale. Raises as patch does."""
    media, body = read_patch(call)
    await backend.registry.reach_named(named_version(media, body))

    def wanted(item: Item) -> Scale:
        before = _scale_of(item.decode())
        document = applied(media, msgspec.json.decode(encode(before)), body, Scale)
        scale, call.warnings[:] = from_plain(document, _SCALE, Scale, validation=call.field_validation)
        if scale.metadata.resource_version == before.metadata.resource_version:
            scale.metadata.resource_version = ""
        return scale

    return await _change(backend, call, wanted)


async def _change(backend: Backend, call: Call, wanted: Any) -> Response:
    def resized(item: Item) -> Object:
        scale: Scale = wanted(item)
        _check(scale, call)
        return _resize(call.target.resource, item.decode(), scale)

    wire = await change(backend, call, resized)
    return _answer(call, _scale_of(decode(wire, call.target.resource.type)))


def _check(scale: Scale, call: Call) -> None:
    check_identity(scale, call.target)
    if scale.spec.replicas < 0:
        error = invalid("spec.replicas", scale.spec.replicas, "must be greater than or equal to 0")
        raise invalid_object("autoscaling", "Scale", call.target.name, [error])


def _resize(resource: Resource, item: Any, scale: Scale) -> Object:
    check_uid(resource, scale.metadata, item.metadata)
    item.spec.replicas = scale.spec.replicas
    item.metadata.resource_version = scale.metadata.resource_version
    sized: Object = item
    return sized


def _selector(selector: dict[str, str] | LabelSelector | None) -> Selector:
    """Of a replication controller, which has a map, or of a newer kind."""
    return from_map(selector) if isinstance(selector, dict) else from_label_selector(selector)


def _scale_of(item: Any) -> Scale:
    meta = item.metadata
    return Scale(
        api_version="autoscaling/v1",
        kind="Scale",
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
            creation_timestamp=meta.creation_timestamp,
        ),
        spec=ScaleSpec(replicas=item.spec.replicas or 0),
        status=ScaleStatus(replicas=item.status.replicas, selector=str(_selector(item.spec.selector))),
    )

"""Kinds that are another form of a stored kind: the events of ``events.k8s.io`` are those of the core group, the
budgets of ``policy/v1beta1`` those of ``policy/v1``.

The rule: only the stored form is kept, watched and selected; the other is made at the door, in both directions. A
further form of a kind is one more line in ``_FORMS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api import events, policy_v1beta1
from api.codec import decode, encode
from api.errors import FieldError, invalid_object
from api.meta import Object
from api.resources import Resource, resource_of
from api.validation.event import event_errors, event_update_errors
from master.apiserver.cache import Item


@dataclass(frozen=True, slots=True)
class _Form:
    """The way there and back, the path of a field in the stored form, and what the form demands of writes."""

    to_stored: Callable[[Any], Object]
    from_stored: Callable[[Any], Object]
    stored_path: Callable[[str], str]
    create_errors: Callable[[Any], list[FieldError]]
    update_errors: Callable[[Any, Any], list[FieldError]]


_FORMS: dict[type[Object], _Form] = {
    events.Event: _Form(events.to_core, events.from_core, events.core_path, event_errors, event_update_errors),
    policy_v1beta1.PodDisruptionBudget: _Form(
        policy_v1beta1.to_v1, policy_v1beta1.from_v1, lambda path: path, lambda _: [], lambda *_: []
    ),
}


def stored_resource(resource: Resource) -> Resource:
    """The resource under which the objects are kept."""
    return resource if resource.stored_as is None else resource_of(resource.stored_as)


def stored(resource: Resource, new: Object, before: Item | None) -> Object:
    """What a client wrote, in the stored form; ``before`` is what it replaces. Raises Invalid."""
    form = _FORMS.get(resource.type)
    if form is None:
        return new
    errors = form.create_errors(new) if before is None else form.update_errors(new, form.from_stored(before.decode()))
    if errors:
        raise invalid_object(resource.group, resource.kind, new.metadata.name, errors)
    return form.to_stored(new)


def served(resource: Resource, wire: bytes) -> bytes:
    """The stored bytes in the form that is served."""
    form = _FORMS.get(resource.type)
    if form is None:
        return wire
    return encode(form.from_stored(decode(wire, stored_resource(resource).type)))


def stored_field(resource: Resource, field: str) -> str:
    """The field selector of the stored resource that means the same."""
    form, own = _FORMS.get(resource.type), resource.fields or {}
    if form is None or field not in own:
        return field
    path = form.stored_path(own[field])
    return next(name for name, at in (stored_resource(resource).fields or {}).items() if at == path)

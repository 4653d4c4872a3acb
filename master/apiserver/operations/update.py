"""PUT of an object or its status, and the part of a change that update, patch and scale share.

The rule: a change is made to the version it was computed from, or not at all. Who names a resourceVersion is told of a
conflict; who names none gets his change computed again from the newer version, when it is his turn.
"""

from collections.abc import Callable
from typing import Any, cast

from api import defaulting, validation
from api.codec import encode
from api.core import Namespace, Node, Pod, Service
from api.errors import BadRequest, Conflict, FieldError, invalid, invalid_object
from api.meta import Object
from api.resources import Resource
from api.scalars import whole_number
from api.validation.status import runs_again, state_errors, status_errors
from master.apiserver.admission.chain import Write
from master.apiserver.backend import Backend
from master.apiserver.bodies import read_object
from master.apiserver.cache import Item
from master.apiserver.call import Call, Target
from master.apiserver.forms import stored
from master.apiserver.http.message import Response
from master.apiserver.operations.create import create
from master.apiserver.operations.ending import is_released
from master.apiserver.registry import conflict
from master.apiserver.rendering import object_answer
from master.apiserver.reservation import Reservation, is_settled
from master.apiserver.strategies import (
    count_generation,
    prepare_ephemeral,
    prepare_finalize,
    prepare_status,
    prepare_update,
)

# Kinds that Kubernetes does not let be replaced blindly.
_VERSION_REQUIRED = ("CSIDriver", "CSINode", "Lease", "PodDisruptionBudget")
# Kinds that Kubernetes makes when an update names one that is not there.
_MADE_BY_UPDATE = frozenset(
    (
        *("ClusterRole", "ClusterRoleBinding", "Endpoints", "Event", "Lease", "LimitRange", "PodTemplate"),
        *("PriorityClass", "Role", "RoleBinding", "Service"),
    )
)

_NO_VERSION = "must be specified for an update"

Change = Callable[[Item], Object]
"""The present object to the wanted one; called again when another write came between."""


async def update(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Invalid, Conflict."""
    target = call.target
    wanted = _read(backend, call)
    if target.resource.kind in _MADE_BY_UPDATE and _is_new(backend, wanted, target):
        # Who may replace may not make, unless he is told so.
        backend.access.authorize(call.user, "create", target)
        call.warnings.clear()
        return await create(backend, call)
    if not wanted.metadata.resource_version and target.resource.kind in _VERSION_REQUIRED:
        # By the plural, and with Go's form of a zero: so Kubernetes says it here and nowhere else.
        error = FieldError("metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0x0: " + _NO_VERSION)
        raise invalid_object(target.resource.group, target.resource.plural, target.name, [error])
    await backend.registry.reach_named(wanted.metadata.resource_version)
    # A change alters the object it stores, so a second try starts from the body again.
    prepared = [wanted]

    def to_stored(item: Item) -> Object:
        return stored(target.resource, prepared.pop() if prepared else _read(backend, call), item)

    wire = await change(backend, call, to_stored)
    return object_answer(call, wire)


def _is_new(backend: Backend, wanted: Object, target: Target) -> bool:
    if target.subresource or wanted.metadata.resource_version not in ("", "0"):
        return False
    return backend.registry.cache.table(target.resource).get(target.namespace, target.name) is None


def _read(backend: Backend, call: Call) -> Object:
    target = call.target
    apart = target.subresource == "status" and target.resource.type in _SPEC_APART
    read = backend.status_bodies.read if apart else read_object
    wanted, warnings = read(call.request, target.expected, target.resource.type, validation=call.field_validation)
    call.warnings[:] = warnings
    check_identity(wanted, target)
    return wanted


def check_identity(wanted: Object, target: Target) -> None:
    """Raises BadRequest when the object is not the one of the path."""
    name = wanted.metadata.name
    if not name:
        raise BadRequest(
            f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        )
    if name != target.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    if wanted.metadata.namespace and target.namespace and wanted.metadata.namespace != target.namespace:
        raise BadRequest(
            f"the namespace of the object ({wanted.metadata.namespace}) does not match the namespace on the request "
            f"({target.namespace})"
        )


async def change(backend: Backend, call: Call, wanted: Change) -> bytes:
    """Carries a change out against the present object; returns the bytes of the result."""
    target, registry = call.target, backend.registry

    async def attempt() -> bytes:
        item = registry.find(target.resource, target.namespace, target.name)
        new = wanted(item)
        locked = _check_version(new, item, target)
        try:
            return await _store(backend, item, new, call)
        except Conflict as error:
            if locked:
                raise
            raise registry.overtaken(item, error) from error

    key = registry.cache.table(target.resource).key(target.namespace, target.name)
    return await registry.turns.take(key, attempt)


def _check_version(new: Object, item: Item, target: Target) -> bool:
    """Whether the client named a version. Raises Conflict when it is not the present one, Invalid when it is none."""
    named = new.metadata.resource_version
    if not named:
        return False
    number = whole_number(named)
    if number is None:
        error = invalid("metadata.resourceVersion", named, "must be a number")
        raise invalid_object(target.resource.group, target.resource.kind, target.name, [error])
    if number not in (0, item.revision):
        raise conflict(target.resource, target.name)
    return number != 0


async def _store(backend: Backend, item: Item, new: Object, call: Call) -> bytes:
    dry_run = call.dry_run
    if prepare := _PREPARE.get(call.target.subresource):
        prepare(item, new)
        return await _write(backend, item, new, dry_run=dry_run)
    old = item.decode()
    write = Write(call.user, item.table.resource, new, old, item.namespace, item.name, dry_run)
    taken = await _prepare(backend, write, old)
    try:
        wire = await _write(backend, item, new, dry_run=dry_run)
    except BaseException as error:
        _withdraw(backend, item, taken, settled=is_settled(error))
        raise
    if dry_run:
        _withdraw(backend, item, taken, settled=True)
    return wire


def _withdraw(backend: Backend, item: Item, taken: Reservation, *, settled: bool) -> None:
    present = item.table.by_key(item.key) if item.table.resource.kind == "Service" else None
    backend.numbers.withdraw(taken, present, settled=settled)


def _prepare_status(item: Item, new: Any) -> None:
    resource = item.table.resource
    # The status of these is written all the time, and to read and write the spec again costs more than the rest.
    light = resource.type in _SPEC_APART
    old: Any = item.decode_beside_spec() if light else item.decode()
    prepare_status(resource, new, old)
    defaulting.apply_to_status(new)
    new.metadata.resource_version = old.metadata.resource_version
    if new.metadata != old.metadata:
        _refuse(resource, old, validation.validate_beside_spec(new, old))
    if new.status != old.status:
        errors = status_errors(new, old)
        if isinstance(old, Pod) and runs_again(new, old):
            errors += state_errors(new, old, cast(Pod, item.decode()).spec)
        _refuse(resource, old, errors)


def _prepare_ephemeral(item: Item, new: Any) -> None:
    resource, old = item.table.resource, cast(Pod, item.decode())
    prepare_ephemeral(new, old)
    defaulting.apply(new)
    _refuse(resource, old, validation.validate_ephemeral_containers(new, old))
    count_generation(resource, new, old)


def _prepare_finalize(item: Item, new: Any) -> None:
    resource, old = item.table.resource, cast(Namespace, item.decode())
    prepare_finalize(resource, new, old)
    defaulting.apply(new)
    _refuse(resource, old, validation.validate_update(new, old))


_SPEC_APART = (Node, Pod)
_PREPARE: dict[str, Callable[[Item, Any], None]] = {
    "status": _prepare_status,
    "ephemeralcontainers": _prepare_ephemeral,
    "finalize": _prepare_finalize,
}
"""What a write of a subresource changes, and what it leaves."""


async def _prepare(backend: Backend, write: Write, old: Object) -> Reservation:
    resource, new = write.resource, write.new
    prepare_update(resource, new, old)
    defaulting.apply(new)
    _refuse(resource, old, validation.validate_update(new, old))
    taken = Reservation()
    backend.admission.check(write, taken)
    if taken.confirm is not None:
        await taken.confirmed()
    if isinstance(new, Service) and isinstance(old, Service):
        await backend.claims.complete(new, old, taken, dry_run=write.dry_run)
    count_generation(resource, new, old)
    return taken


def _refuse(resource: Resource, old: Object, errors: list[FieldError]) -> None:
    if errors:
        raise invalid_object(resource.group, resource.kind, old.metadata.name, errors)


async def _write(backend: Backend, item: Item, new: Object, *, dry_run: bool) -> bytes:
    """Stores the new object; removes it when nothing holds it back any more; does nothing when nothing changed."""
    resource = item.table.resource
    new.api_version, new.kind = resource.api_version, resource.kind
    new.metadata.resource_version = ""
    encoded = encode(new)
    if encoded == item.value:
        return item.wire
    if dry_run:
        new.metadata.resource_version = str(item.revision)
        return encode(new)
    if is_released(new):
        revision = await backend.registry.delete(item)
        new.metadata.resource_version = str(revision)
        return encode(new)
    return await backend.registry.replace(item, encoded)

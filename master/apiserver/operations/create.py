"""POST to a collection: a new object."""

import logging
from typing import cast

from api import defaulting, validation
from api.codec import encode
from api.core import Pod, Service
from api.errors import AlreadyExists, BadRequest, invalid_object
from api.meta import Object
from master.apiserver.admission.chain import Write
from master.apiserver.backend import Backend
from master.apiserver.bodies import read_object
from master.apiserver.call import Call
from master.apiserver.forms import stored
from master.apiserver.http.message import Response
from master.apiserver.operations.ending import ending_of
from master.apiserver.registry import already_exists
from master.apiserver.rendering import object_answer
from master.apiserver.replicas import Replica
from master.apiserver.reservation import Reservation, is_settled
from master.apiserver.strategies import generated_name, prepare_create

log = logging.getLogger(__name__)

_NAME_TRIES = 8


async def create(backend: Backend, call: Call) -> Response:
    """Raises BadRequest, Invalid, AlreadyExists, NotFound or Forbidden for the namespace."""
    target = call.target
    if (replica := backend.replicas.find(call)) is not None:
        return await _another(backend, call, replica)
    new, warnings = read_object(call.request, target.expected, target.resource.type, validation=call.field_validation)
    call.warnings += warnings
    if target.resource.unattended:
        kind = target.resource.kind
        call.warnings.append(f"no controller of this cluster acts on a {kind}: it is kept, and no pods are made for it")
    dry_run = call.dry_run
    check_namespace(new, target.namespace)
    if new.metadata.resource_version not in ("", "0"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    new = stored(target.resource, new, None)
    prepare_create(target.resource, new, target.namespace)
    defaulting.apply(new)
    write = Write(call.user, target.resource, new, namespace=target.namespace, dry_run=dry_run)
    version = backend.replicas.begin(call, new)
    backend.admission.complete(write)
    wire = await _store(backend, write)
    if version is not None:
        backend.replicas.keep(call, new, version, warnings)
    return object_answer(call, wire, 201)


async def _another(backend: Backend, call: Call, replica: Replica) -> Response:
    """A pod like one before."""
    call.warnings += replica.warnings
    write = Write(call.user, call.target.resource, replica.fresh(), namespace=call.target.namespace)
    return object_answer(call, await _store(backend, write, replica), 201)


def check_namespace(new: Object, namespace: str) -> None:
    """Raises BadRequest when the object says it belongs somewhere else."""
    if new.metadata.namespace and namespace and new.metadata.namespace != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")


async def _store(backend: Backend, write: Write, replica: Replica | None = None) -> bytes:
    """A name that the server chose is chosen again when it is taken."""
    new = write.new
    if new.metadata.name or not new.metadata.generate_name:
        return await _store_named(backend, write, replica)
    for _ in range(_NAME_TRIES - 1):
        new.metadata.name = generated_name(new.metadata.generate_name)
        try:
            return await _store_named(backend, write, replica)
        except AlreadyExists:
            log.debug("generated name taken name=%s", new.metadata.name)
    new.metadata.name = generated_name(new.metadata.generate_name)
    return await _store_named(backend, write, replica)


async def _store_named(backend: Backend, write: Write, replica: Replica | None) -> bytes:
    resource, new = write.resource, write.new
    # One like it was found in order, and its name differs by letters that any name may have.
    if replica is None and (errors := validation.validate_create(new)):
        raise invalid_object(resource.group, resource.kind, new.metadata.name, errors)
    registry = backend.registry
    if (item := registry.cache.table(resource).get(new.metadata.namespace, new.metadata.name)) is not None:
        ending = ending_of(item).metadata.deletion_timestamp is not None
        raise already_exists(resource, new.metadata.name, ending=ending)
    taken = Reservation()
    backend.admission.check(write, taken)
    if taken.confirm is not None:
        await taken.confirmed()
    if isinstance(new, Service):
        await backend.claims.complete(new, None, taken, dry_run=write.dry_run)
    if write.dry_run:
        taken.give_back()
        new.api_version, new.kind = resource.api_version, resource.kind
        return encode(new)
    try:
        return await registry.create(resource, new, replica.encoded(cast(Pod, new)) if replica is not None else None)
    except BaseException as error:
        taken.give_back(settled=is_settled(error))
        raise

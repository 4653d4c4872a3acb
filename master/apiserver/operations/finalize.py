"""PUT of ``namespaces/NAME/finalize``: the namespace's controller takes its finalizer off, and an emptied one goes."""

from typing import Any

from api.codec import encode
from api.core import Namespace
from api.meta import Object
from master.apiserver.backend import Backend
from master.apiserver.bodies import read_object
from master.apiserver.call import Call
from master.apiserver.http.message import Response
from master.apiserver.operations.ending import is_released
from master.apiserver.operations.update import check_identity
from master.apiserver.registry import conflict
from master.apiserver.rendering import object_answer


async def finalize(backend: Backend, call: Call) -> Response:
    """Raises NotFound, Conflict when the namespace changed meanwhile."""
    target = call.target
    wanted, warnings = read_object(call.request, target.expected, Namespace, validation=call.field_validation)
    call.warnings += warnings
    check_identity(wanted, target)
    item = backend.registry.find(target.resource, "", target.name)
    named = wanted.metadata.resource_version
    if named not in ("", "0", str(item.revision)):
        raise conflict(target.resource, target.name)
    new = _with_finalizers(item.decode(), wanted.spec.finalizers)
    if call.dry_run:
        return object_answer(call, encode(new))
    if is_released(new):
        revision = await backend.registry.delete(item)
        return object_answer(call, item.wire_at(revision))
    return object_answer(call, await backend.registry.update(target.resource, new, expected=item.revision))


def _with_finalizers(namespace: Any, finalizers: list[str]) -> Object:
    namespace.spec.finalizers = list(finalizers)
    new: Object = namespace
    return new

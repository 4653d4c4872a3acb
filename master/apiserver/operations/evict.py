"""POST of ``pods/NAME/eviction``: a pod is asked to leave its node, as ``kubectl drain`` does.

It is a graceful deletion. Disruption budgets are kept for others that ask for them, and not asked here yet: that needs
a controller that counts healthy pods.
"""

from api.core import Pod
from api.errors import BadRequest
from api.meta import DeleteOptions, Status
from api.policy import Eviction
from api.resources import resource_of
from master.apiserver.backend import Backend
from master.apiserver.bodies import Expected, json_of, media_type, typed
from master.apiserver.call import Call, is_dry_run
from master.apiserver.http.message import Response
from master.apiserver.operations.create import check_namespace
from master.apiserver.operations.delete import delete_one
from master.apiserver.rendering import struct_answer

# kubectl before 1.22 knows only the second, which has the same fields.
_EVICTIONS = tuple(Expected(Eviction, f"policy/{version}", "Eviction") for version in ("v1", "v1beta1"))
_PODS = resource_of(Pod)


async def evict(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Conflict for a precondition."""
    eviction = _read(call)
    name = eviction.metadata.name
    if name and name != call.target.name:
        raise BadRequest(f"name in URL does not match name in Eviction object: {call.target.name} and {name}")
    check_namespace(eviction, call.target.namespace)
    options = eviction.delete_options or DeleteOptions()
    if call.dry_run or is_dry_run(options.dry_run):
        options.dry_run = ["All"]
    item = backend.registry.find(_PODS, call.target.namespace, call.target.name)
    await delete_one(backend, item, options)
    return struct_answer(call, Status(status="Success", code=201), 201)


def _read(call: Call) -> Eviction:
    newer, older = _EVICTIONS
    media = media_type(call.request)
    data = json_of(call.request.body, media, older if b"policy/v1beta1" in call.request.body else newer)
    expected = older if b"policy/v1beta1" in data else newer
    eviction, warnings = typed(data, expected, Eviction, validation=call.field_validation)
    call.warnings += warnings
    return eviction

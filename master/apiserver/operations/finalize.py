"""PUT of ``namespaces/NAME/finalize``: the namespace's controller takes its finalizer off, and an emptied one goes."""

from api.core import Namespace
from master.apiserver.backend import Backend
from master.apiserver.bodies import read_object
from master.apiserver.call import Call
from master.apiserver.http.message import Response
from master.apiserver.operations.update import change, check_identity
from master.apiserver.rendering import object_answer


async def finalize(backend: Backend, call: Call) -> Response:
    """Raises NotFound, BadRequest, Invalid, Conflict when the namespace changed meanwhile."""
    target = call.target

    def wanted(_: object) -> Namespace:
        read, call.warnings[:] = read_object(call.request, target.expected, Namespace, validation=call.field_validation)
        check_identity(read, target)
        return read

    return object_answer(call, await change(backend, call, wanted))

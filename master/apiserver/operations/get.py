"""GET of one object, or of its status."""

from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response
from master.apiserver.rendering import object_answer


def get(backend: Backend, call: Call) -> Response:
    """Raises NotFound."""
    target = call.target
    item = backend.registry.find(target.resource, target.namespace, target.name)
    return object_answer(call, item.wire)

"""``pods/NAME/portforward``: connections to ports of a pod, from its node's agent. Create by POST or GET."""

from urllib.parse import urlencode

from api.errors import BadRequest
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Upgrade
from master.apiserver.operations.proxy import port_number
from master.apiserver.streaming.to_pod import check_streaming, pod_of, quoted, to_node

_PORTS_MAX = 64


async def portforward(backend: Backend, call: Call) -> Upgrade | Response:
    """Raises BadRequest, NotFound, ServiceUnavailable. Clients that use SPDY name the ports later."""
    pod = pod_of(backend, call)
    check_streaming(call, pod)
    ports = [port for text in call.request.query.get("ports", []) for port in text.split(",")]
    for port in ports:
        if not port_number(port):
            raise BadRequest(f"ports: {port[:80]!r} is not a port number")
    if len(ports) > _PORTS_MAX:
        raise BadRequest(f"ports: more than {_PORTS_MAX}")
    path = f"/portForward/{quoted(pod.metadata.namespace, pod.metadata.name)}"
    query = urlencode([("port", port) for port in ports])
    return await to_node(backend, call, pod, path + (f"?{query}" if query else ""))

"""Any method of ``nodes/[SCHEME:]NAME[:PORT]/proxy/PATH``: what a node's agent answers, or another port of the node.

The agent's own port, which is also meant when none is said, is asked with our client certificate; any other as a pod's
port is. Each method is a right of its own (create for POST, and so on). Nothing is upgraded: whoever may read through
this would be let into containers by GET.
"""

from typing import Any

from api.core import Node
from api.errors import BadRequest
from api.resources import resource_of
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.exchange import Address, Asked, Reply
from master.apiserver.http.message import Response, Stream, Upgrade
from master.apiserver.node_client import address_of
from master.apiserver.operations.proxy import check_address, named, passed, port_number, to_port, wants_upgrade


async def node_proxy(backend: Backend, call: Call) -> Response | Stream | Upgrade:
    """Raises NotFound, BadRequest, ServiceUnavailable."""
    if wants_upgrade(call.request):
        raise BadRequest("upgrades are not passed on to nodes")
    meant = named(call.target.name, of="node")
    node: Any = backend.registry.find(resource_of(Node), "", meant.name).decode()
    agent = address_of(node)
    if meant.port in ("", str(agent.port)):

        async def ask(asked: Asked) -> Reply:
            return await backend.nodes.open(
                agent, asked.path, method=asked.method, headers=asked.headers, body=asked.body
            )

        return await passed(call, ask)
    check_address(agent.host)
    port = port_number(meant.port)
    if not port:
        raise BadRequest(f'invalid node request "{call.target.name}"')
    return await passed(call, to_port(Address(agent.host, port), secure=meant.scheme == "https"))

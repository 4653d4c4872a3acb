"""Passes a request for a stream on to a node's agent, and then every byte in both directions.

The rule: the agent speaks the protocol to the end; here nothing is read of it. What the agent refuses is answered as
the agent said it, since kubectl shows that text.
"""

from api.errors import ServiceUnavailable
from master.apiserver.exchange import Address
from master.apiserver.http.message import Request, Response, Upgrade
from master.apiserver.node_client import NodeClient
from master.apiserver.streaming.splice import spliced

_PASSED_ON = (
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "x-stream-protocol-version",
)
_PASSED_BACK = ("sec-websocket-accept", "sec-websocket-protocol", "x-stream-protocol-version")
_REFUSAL_MAX = 4096


async def relay(nodes: NodeClient, address: Address, path: str, request: Request) -> Upgrade | Response:
    """``path`` is the agent's, with its query. Raises ServiceUnavailable when the agent cannot be reached."""
    headers = [(name, value) for name in _PASSED_ON for value in request.header_values(name)]
    reply = await nodes.open(address, path, method=request.method, headers=headers)
    if reply.status == 101:
        return spliced(reply, [(name, reply.headers[name]) for name in _PASSED_BACK if name in reply.headers])
    try:
        text = await reply.text(_REFUSAL_MAX)
    except (OSError, TimeoutError) as error:
        raise ServiceUnavailable(f"the agent answered {reply.status} and then: {error}") from error
    finally:
        await reply.close()
    return Response(reply.status, text.encode(), content_type=reply.headers.get("content-type", "text/plain"))

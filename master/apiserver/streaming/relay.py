"""Passes a request for a stream on to a node's agent, and then every byte in both directions.

The rule: the agent speaks the protocol to the end; here nothing is read of it. What the agent refuses is answered as
the agent said it, since kubectl shows that text.
"""

import logging
import weakref

from api.errors import ServiceUnavailable
from master.apiserver.http.message import Request, Response, Tunnel, Upgrade
from master.apiserver.node_client import Address, NodeClient
from master.apiserver.streaming.splice import splice

log = logging.getLogger(__name__)

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
    answer = await nodes.open(address, path, method=request.method, headers=headers)
    if answer.status != 101:
        try:
            text = await answer.text(_REFUSAL_MAX)
        except (OSError, TimeoutError) as error:
            raise ServiceUnavailable(f"the agent answered {answer.status} and then: {error}") from error
        finally:
            await answer.close()
        return Response(answer.status, text.encode(), content_type=answer.headers.get("content-type", "text/plain"))
    reader, writer = answer.ends()

    async def session(tunnel: Tunnel) -> None:
        try:
            await splice(tunnel, reader, writer)
        finally:
            await answer.close()

    # A session whose client has left is never begun: then the connection to the agent goes with it.
    weakref.finalize(session, answer.abort)
    back = [(name, answer.headers[name]) for name in _PASSED_BACK if name in answer.headers]
    return Upgrade(answer.headers.get("upgrade", ""), session, back)

"""GET of ``nodes/NAME/proxy/PATH``: what a node's agent answers, above all its metrics.

Only GET: whoever may proxy may read what the agent shows, and nothing more.
"""

from urllib.parse import quote

from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Stream
from master.apiserver.operations.log import from_node


async def node_proxy(backend: Backend, call: Call) -> Stream:
    """Raises NotFound, ServiceUnavailable."""
    # .../nodes/NAME/proxy/PATH: the path behind the fifth part.
    rest = "/".join(quote(part, safe="") for part in call.request.segments[5:])
    query = f"?{call.request.raw_query}" if call.request.raw_query else ""
    return await from_node(backend, call.target.name, f"/{rest}{query}")

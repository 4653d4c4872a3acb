"""``pods/NAME/exec``: a command in a container, as a stream from its node's agent.

By POST (SPDY) or GET (WebSocket); both count as create, since a command changes whatever it likes.
"""

from api.errors import BadRequest
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Upgrade
from master.apiserver.streaming.to_pod import command_stream, stream_query


async def exec_command(backend: Backend, call: Call) -> Upgrade | Response:
    """Raises BadRequest, NotFound, ServiceUnavailable."""
    return await command_stream(backend, call, "exec", _query)


def _query(call: Call) -> list[tuple[str, str]]:
    """Raises BadRequest."""
    command = call.request.query.get("command", [])
    if not command:
        raise BadRequest("you must specify at least 1 command for the container")
    return [*stream_query(call, default=False), *(("command", word) for word in command)]

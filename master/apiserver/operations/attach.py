"""``pods/NAME/attach``: the streams of a container's own process, from its node's agent. Create by POST or GET."""

from functools import partial

from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Upgrade
from master.apiserver.streaming.to_pod import command_stream, stream_query


async def attach(backend: Backend, call: Call) -> Upgrade | Response:
    """Raises BadRequest, NotFound, ServiceUnavailable."""
    return await command_stream(backend, call, "attach", partial(stream_query, default=True))

"""GET of ``pods/NAME/log``: what a container printed, passed on from its node's agent piece by piece."""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from api.core import Node, Pod
from api.errors import BadRequest, InternalError, NotFound, forbidden, from_status, invalid, invalid_object
from api.meta import Status
from api.resources import resource_of
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.exchange import Reply
from master.apiserver.http.message import Response, Sink, Stream
from master.apiserver.node_client import address_of

_FLAGS = ("follow", "previous", "timestamps")
_LEAST = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}
_ERROR_MAX = 4096


async def log(backend: Backend, call: Call) -> Response | Stream:
    """Raises BadRequest for a container that is not there, NotFound, ServiceUnavailable when the node does not
    answer.
    """
    target = call.target
    pod: Any = backend.registry.find(target.resource, target.namespace, target.name).decode()
    container = container_of(pod, call.option("container"))
    query = _query(call)
    if not pod.spec.node_name:
        # Nothing was printed yet: no content, as Kubernetes has it, and no mistake of the client's.
        return Response(204, b"")
    path = f"/containerLogs/{_quoted(target.namespace, target.name, container)}"
    return await from_node(backend, pod.spec.node_name, path + (f"?{urlencode(query)}" if query else ""))


async def from_node(backend: Backend, node_name: str, path: str) -> Stream:
    """What a node's agent answers. Raises NotFound, ServiceUnavailable, or the agent's own refusal."""
    node: Any = backend.registry.find(resource_of(Node), "", node_name).decode()
    answer = await backend.nodes.open(address_of(node), path)
    if answer.status != 200:
        raise await _refusal(answer)

    async def produce(sink: Sink) -> None:
        try:
            async for piece in answer.pieces():
                await sink.write(piece)
        finally:
            await answer.close()

    return Stream(200, produce, content_type=answer.headers.get("content-type", "text/plain"))


def container_of(pod: Pod, asked: str) -> str:
    """The container meant. Raises BadRequest in the words that kubectl shows."""
    spec = pod.spec
    if asked:
        every = [item.name for item in (*spec.containers, *spec.init_containers, *spec.ephemeral_containers)]
        if asked not in every:
            raise BadRequest(f"container {asked} is not valid for pod {pod.metadata.name}")
        return asked
    if len(spec.containers) == 1:
        return spec.containers[0].name
    names = " ".join(item.name for item in spec.containers)
    message = f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{names}]"
    if spec.init_containers:
        message += f" or one of the init containers: [{' '.join(item.name for item in spec.init_containers)}]"
    raise BadRequest(message)


def _query(call: Call) -> dict[str, str]:
    """The options, read here and passed on in one spelling. Raises BadRequest, Invalid."""
    query = {name: "true" for name in _FLAGS if call.flag(name)}
    numbers = {name: number for name in _LEAST if (number := call.number(name)) is not None}
    errors = [
        invalid(name, number, "must be greater than 0" if _LEAST[name] else "must be greater than or equal to 0")
        for name, number in numbers.items()
        if number < _LEAST[name]
    ]
    since = call.option("sinceTime")
    if since and not _is_time(since):
        raise BadRequest(f'parsing time "{since[:80]}" as "2006-01-02T15:04:05Z07:00": it is none')
    if since and "sinceSeconds" in numbers:
        errors.append(forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if errors:
        raise invalid_object("", "PodLogOptions", call.target.name, errors)
    return query | {name: str(number) for name, number in numbers.items()} | ({"sinceTime": since} if since else {})


def _is_time(text: str) -> bool:
    try:
        msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return False
    return True


def _quoted(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


async def _refusal(answer: Reply) -> Exception:
    try:
        text = (await answer.text(_ERROR_MAX)).strip()
    except (OSError, TimeoutError) as error:
        return InternalError(f"the agent answered {answer.status} and then: {error}")
    finally:
        await answer.close()
    if answer.status == 404:
        return NotFound(text or "the agent does not know this container")
    return from_status(Status(message=text or f"the agent answered {answer.status}", code=answer.status))

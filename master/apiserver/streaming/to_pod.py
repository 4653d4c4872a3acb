"""From a call that names a pod to a stream from the agent of its node."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from api.core import Node, Pod
from api.errors import BadRequest
from api.resources import resource_of
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Upgrade
from master.apiserver.node_client import address_of
from master.apiserver.operations.log import container_of
from master.apiserver.streaming.relay import relay

# Our clients' names of the streams, and the kubelet's.
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


def stream_query(call: Call, *, default: bool) -> list[tuple[str, str]]:
    """The wanted streams in the kubelet's words. ``default``: whether stdout and stderr are wanted when nothing is
    said of them. Raises BadRequest when there is none.
    """
    wanted = {name: call.flag(name) for name in _STREAMS}
    if default:
        wanted |= {name: True for name in ("stdout", "stderr") if name not in call.request.query}
    if wanted["tty"]:
        wanted["stderr"] = False  # a terminal has one output
    if not any(wanted[name] for name in ("stdin", "stdout", "stderr")):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    return [(theirs, "1") for name, theirs in _STREAMS.items() if wanted[name]]


async def command_stream(
    backend: Backend, call: Call, verb: str, query: Callable[[Call], list[tuple[str, str]]]
) -> Upgrade | Response:
    """``query`` tells what the agent is asked. Raises BadRequest, NotFound, ServiceUnavailable."""
    pod = pod_of(backend, call)
    container = container_of(pod, call.option("container"))
    check_streaming(call, pod)
    path = f"/{verb}/{quoted(pod.metadata.namespace, pod.metadata.name, container)}?{urlencode(query(call))}"
    return await to_node(backend, call, pod, path)


def pod_of(backend: Backend, call: Call) -> Pod:
    """The pod that the call names. Raises NotFound."""
    target = call.target
    found: Any = backend.registry.find(target.resource, target.namespace, target.name).decode()
    pod: Pod = found
    return pod


def check_streaming(call: Call, pod: Pod) -> None:
    """Raises BadRequest for a pod that is on no node, and for a call that asks for no upgrade."""
    if not pod.spec.node_name:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    if "upgrade" not in call.request.headers.get("connection", "").lower():
        raise BadRequest("Upgrade request required")


async def to_node(backend: Backend, call: Call, pod: Pod, path: str) -> Upgrade | Response:
    """Raises NotFound for a node that is gone, ServiceUnavailable."""
    node: Any = backend.registry.find(resource_of(Node), "", pod.spec.node_name).decode()
    return await relay(backend.nodes, address_of(node), path, call.request)


def quoted(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)

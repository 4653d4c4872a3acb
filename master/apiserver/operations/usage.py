"""GET of ``nodes`` and ``pods`` of ``metrics.k8s.io``: what they use now, asked of the agents.

Names, namespaces, labels and fields select among the nodes and pods that there are. What has no usage yet, or lies on a
node that does not answer, is left out of a list and not found by itself.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from api.codec import encode
from api.core import Node, Pod
from api.errors import NotAcceptable
from api.meta import ListMeta, ObjectMeta
from api.metrics import ContainerMetrics, NodeMetrics, PodMetrics
from api.resources import resource_of
from api.scalars import Quantity, now
from master.apiserver.backend import Backend
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Stream
from master.apiserver.node_usage import NODE, Usage, usage_of
from master.apiserver.registry import not_found
from master.apiserver.rendering import list_answer, object_answer
from master.apiserver.selection import selection_of


async def get_node(backend: Backend, call: Call) -> Response:
    """Raises NotFound."""
    return _one(call, await _nodes(backend, call))


async def list_nodes(backend: Backend, call: Call) -> Response | Stream:
    return _all(call, await _nodes(backend, call))


async def get_pod(backend: Backend, call: Call) -> Response:
    """Raises NotFound."""
    return _one(call, await _pods(backend, call))


async def list_pods(backend: Backend, call: Call) -> Response | Stream:
    return _all(call, await _pods(backend, call))


def _one(call: Call, found: list[bytes]) -> Response:
    if not found:
        name = "/".join(part for part in (call.target.namespace, call.target.name) if part)
        raise not_found(call.target.resource, name)
    return object_answer(call, found[0])


def _all(call: Call, found: list[bytes]) -> Response | Stream:
    return list_answer(call, found, ListMeta())


async def _nodes(backend: Backend, call: Call) -> list[bytes]:
    nodes: list[Node] = _picked(backend, call, Node)
    pairs = await backend.readings.of(nodes, backend.nodes)
    found = [_node(node, *pairs[node.metadata.name]) for node in nodes if node.metadata.name in pairs]
    return [encode(one) for one in found if one is not None]


async def _pods(backend: Backend, call: Call) -> list[bytes]:
    pods: list[Pod] = [pod for pod in _picked(backend, call, Pod) if pod.spec.node_name]
    names = {pod.spec.node_name for pod in pods}
    table = backend.registry.cache.table(resource_of(Node))
    nodes: list[Any] = [item.decode() for name in names if (item := table.get("", name)) is not None]
    pairs = await backend.readings.of(nodes, backend.nodes)
    found = [_pod(pod, *pairs[pod.spec.node_name]) for pod in pods if pod.spec.node_name in pairs]
    return [encode(one) for one in found if one is not None]


def _picked(backend: Backend, call: Call, kind: type[Any]) -> list[Any]:
    """The nodes or pods that the call is about. Raises BadRequest, NotAcceptable."""
    if call.output.protobuf:
        if not call.output.or_json:
            raise NotAcceptable("only the following media types are accepted: application/json, application/yaml")
        call.output = replace(call.output, protobuf=False)
    selection = selection_of(call)
    table = backend.registry.cache.table(resource_of(kind))
    return [item.decode() for item in selection.candidates(table) if selection.picks(item)]


def _node(node: Node, before: Any, last: Any) -> NodeMetrics | None:
    usage = usage_of(NODE, before, last)
    if usage is None:
        return None
    resource = resource_of(NodeMetrics)
    return NodeMetrics(
        api_version=resource.api_version,
        kind=resource.kind,
        metadata=ObjectMeta(name=node.metadata.name, labels=node.metadata.labels, creation_timestamp=now()),
        timestamp=_time(usage),
        window=duration(usage.window_s),
        usage=_amounts(usage),
    )


def _pod(pod: Pod, before: Any, last: Any) -> PodMetrics | None:
    """None when no container of it is known."""
    meta = pod.metadata
    found = {
        container.name: usage
        for container in (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers)
        if (usage := usage_of((meta.namespace, meta.name, container.name), before, last)) is not None
    }
    if not found:
        return None
    resource, newest = resource_of(PodMetrics), max(found.values(), key=lambda usage: usage.time_s)
    return PodMetrics(
        api_version=resource.api_version,
        kind=resource.kind,
        metadata=ObjectMeta(name=meta.name, namespace=meta.namespace, labels=meta.labels, creation_timestamp=now()),
        timestamp=_time(newest),
        window=duration(newest.window_s),
        containers=[ContainerMetrics(name=name, usage=_amounts(usage)) for name, usage in found.items()],
    )


def _time(usage: Usage) -> datetime:
    return datetime.fromtimestamp(int(usage.time_s), UTC)


def duration(seconds: float) -> str:
    """As Go writes it: ``15.2s``, ``1m0s``, ``2h3m0s``."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{thousandths:03}".rstrip("0") if thousandths else ""
    text = f"{rest}{fraction}s"
    if minutes or hours:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def _amounts(usage: Usage) -> dict[str, Quantity]:
    """In the units of metrics-server: nanocores and kibibytes."""
    return {
        "cpu": Quantity(f"{round(usage.cpu_cores * 1e9)}n"),
        "memory": Quantity(f"{usage.memory_bytes // 1024}Ki"),
    }

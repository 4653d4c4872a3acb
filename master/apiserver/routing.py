"""From a path to what it names, and from a verb to the operation: two tables made once, no patterns.

/api/v1/RESOURCE                                   /apis/GROUP/VERSION/RESOURCE
.../namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE
"""

from collections.abc import Awaitable, Callable

import msgspec

from api.core import Binding
from api.errors import MethodNotAllowed, NotFound
from api.resources import RESOURCES, Resource
from master.apiserver.backend import Backend
from master.apiserver.call import Call, Target
from master.apiserver.http.message import Answer
from master.apiserver.operations import component_status, scale, usage
from master.apiserver.operations.attach import attach
from master.apiserver.operations.bind import bind
from master.apiserver.operations.create import create
from master.apiserver.operations.delete import delete, delete_collection
from master.apiserver.operations.evict import evict
from master.apiserver.operations.exec import exec_command
from master.apiserver.operations.finalize import finalize
from master.apiserver.operations.get import get
from master.apiserver.operations.issue_token import issue_token
from master.apiserver.operations.list import list_objects
from master.apiserver.operations.log import log
from master.apiserver.operations.node_proxy import node_proxy
from master.apiserver.operations.patch import patch
from master.apiserver.operations.portforward import portforward
from master.apiserver.operations.proxy import pod_proxy, service_proxy
from master.apiserver.operations.update import update
from master.apiserver.operations.watch import watch
from master.apiserver.reviews import OPERATIONS as REVIEW_OPERATIONS
from master.apiserver.reviews import REVIEWS

Operation = Callable[[Backend, Call], Answer | Awaitable[Answer]]

BINDINGS = Resource(Binding, "", "v1", "bindings")
"""Only to be created: it binds the pod that it names."""
SERVED: tuple[Resource, ...] = (*RESOURCES, BINDINGS, *REVIEWS)
"""All that has a path, stored or not."""

_MAIN: dict[str, Operation] = {
    "get": get,
    "list": list_objects,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_collection,
}
_STATUS: dict[str, Operation] = {"get": get, "update": update, "patch": patch}
_SCALE: dict[str, Operation] = {"get": scale.get, "update": scale.update, "patch": scale.patch}
_CHANGE: dict[str, Operation] = {"get": get, "update": update, "patch": patch}
_COMPUTED: dict[str, dict[str, Operation]] = {
    "ComponentStatus": {"get": component_status.get, "list": component_status.list_objects},
    "NodeMetrics": {"get": usage.get_node, "list": usage.list_nodes},
    "PodMetrics": {"get": usage.get_pod, "list": usage.list_pods},
}
_BINDING: dict[str, Operation] = {"create": bind}

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection", "HEAD": "list"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create", "HEAD": "get"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


def operations_of(resource: Resource) -> dict[str, dict[str, Operation]]:
    """Verbs and operations of a resource ("") and of each of its subresources."""
    if resource is BINDINGS:
        return {"": _BINDING}
    if resource.type in REVIEW_OPERATIONS:
        return {"": {"create": REVIEW_OPERATIONS[resource.type]}}
    if resource.computed:
        return {"": _COMPUTED[resource.kind]}
    found = {"": _MAIN}
    if resource.status:
        found["status"] = _STATUS
    if resource.scale:
        found["scale"] = _SCALE
    return found | _SPECIAL.get(resource.kind, {})


_PROXIED = ("create", "delete", "get", "patch", "update")
_SPECIAL: dict[str, dict[str, dict[str, Operation]]] = {
    "Pod": {
        "attach": {"create": attach, "get": attach},
        "binding": _BINDING,
        "ephemeralcontainers": _CHANGE,
        "eviction": {"create": evict},
        "exec": {"create": exec_command, "get": exec_command},
        "log": {"get": log},
        "portforward": {"create": portforward, "get": portforward},
        "proxy": dict.fromkeys(_PROXIED, pod_proxy),
    },
    "Service": {"proxy": dict.fromkeys(_PROXIED, service_proxy)},
    "Node": {"proxy": {"get": node_proxy}},
    "ServiceAccount": {"token": {"create": issue_token}},
    "Namespace": {"finalize": {"update": finalize}},
}
# Streams, which WebSocket clients open by GET: that needs no less right than the POST of the others.
_STREAMS = ("attach", "exec", "portforward")
_DOTS = (".", "..")
# Subresources behind whose name the path goes on.
_OPEN_ENDED = ("proxy",)


class Route(msgspec.Struct, frozen=True):
    """What is to be done with a request."""

    target: Target
    verb: str
    operation: Operation


class Router:
    """The tables of all resources."""

    def __init__(self, resources: tuple[Resource, ...] = SERVED) -> None:
        self._resources = {(r.group, r.version, r.plural): r for r in resources}
        self._operations = {resource.qualified: operations_of(resource) for resource in resources}

    def route(self, method: str, segments: tuple[str, ...], *, watch: bool) -> Route:
        """Raises NotFound for a path that is not served, MethodNotAllowed."""
        segments, watch = _watched(segments, watch=watch)
        target = self._target(segments)
        operations = self._operations[target.resource.qualified].get(target.subresource)
        if operations is None:
            raise nowhere()
        verb = (_OBJECT_VERBS if target.name else _COLLECTION_VERBS).get(method, "")
        if verb == "get" and target.subresource in _STREAMS:
            verb = "create"
        if verb == "create" and target.name and not target.subresource:
            verb = ""
        if watch and verb in ("list", "get") and not target.subresource:
            verb = "watch"
        if target.resource.namespaced and not target.namespace and verb not in ("list", "watch"):
            verb = ""
        operation = operations.get(verb)
        if operation is None:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return Route(target, verb, operation)

    def _target(self, segments: tuple[str, ...]) -> Target:
        if segments[0] == "api" and len(segments) > 2:
            group, version, rest = "", segments[1], segments[2:]
        elif segments[0] == "apis" and len(segments) > 3:
            group, version, rest = segments[1], segments[2], segments[3:]
        else:
            raise nowhere()
        for part in rest[:4]:
            if "/" in part or part in _DOTS:
                raise nowhere()
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and not (group == "" and rest[2] in _NAMESPACE_SUBRESOURCES):
            namespace, rest = rest[1], rest[2:]
        resource = self._resources.get((group, version, rest[0]))
        if resource is None or (namespace and not resource.namespaced):
            raise nowhere()
        return _named(resource, namespace, rest)


def _watched(segments: tuple[str, ...], *, watch: bool) -> tuple[tuple[str, ...], bool]:
    """``/api/v1/watch/PATH``, the first form of ``/api/v1/PATH?watch=1``, which Kubernetes serves still."""
    at = 2 if segments[0] == "api" else 3
    if segments[at : at + 1] != ("watch",) or len(segments) == at + 1:
        return segments, watch
    return segments[:at] + segments[at + 1 :], True


def _named(resource: Resource, namespace: str, rest: tuple[str, ...]) -> Target:
    if len(rest) > 3 and rest[2] not in _OPEN_ENDED:
        raise nowhere()
    name = rest[1] if len(rest) > 1 else ""
    if name and resource.namespaced and not namespace:
        raise nowhere()
    return Target(resource, namespace, name, rest[2] if len(rest) > 2 else "")


def nowhere() -> NotFound:
    """The answer for a path that names nothing; kubectl shows this sentence."""
    return NotFound("the server could not find the requested resource")

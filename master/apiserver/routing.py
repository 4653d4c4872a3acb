"""From a path to what it names, and from a verb to the operation: two tables made once, no patterns.

/api/v1/RESOURCE                                   /apis/GROUP/VERSION/RESOURCE
.../namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE
"""

from collections.abc import Awaitable, Callable

import msgspec

from api.core import Binding
from api.errors import MethodNotAllowed, NotFound
from api.meta import Object, StatusDetails
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

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {
    "GET": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "POST": "create",
    "HEAD": "get",
    "OPTIONS": "options",
}
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


_PROXIED = ("create", "delete", "get", "options", "patch", "update")
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
    "Node": {"proxy": dict.fromkeys(_PROXIED, node_proxy)},
    "ServiceAccount": {"token": {"create": issue_token}},
    # Nobody deletes all namespaces with one request.
    "Namespace": {
        "": {verb: operation for verb, operation in _MAIN.items() if verb != "deletecollection"},
        "finalize": {"update": finalize},
    },
}
# Streams, which WebSocket clients open by GET: that needs no less right than the POST of the others.
_STREAMS = ("attach", "exec", "portforward")
_DOTS = frozenset((".", ".."))
_CORE_ENDS = 2
_GROUP_ENDS = {"api": _CORE_ENDS, "apis": 3}
"""How many parts of a path name the group and its version."""
# Subresources behind whose name the path goes on.
_OPEN_ENDED = ("proxy",)


class Path(msgspec.Struct, frozen=True):
    """The parts of a path of resources; ``watch`` is the first form of a watch, ``/api/v1/watch/PATH``."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watch: bool = False


class Way(msgspec.Struct, frozen=True):
    """What is to be done with a request, whatever the names in its path are."""

    resource: Resource
    subresource: str
    verb: str
    operation: Operation


def path_of(segments: tuple[str, ...]) -> Path:
    """Raises NotFound for what is no path of resources, and for names that no object can have."""
    at = _GROUP_ENDS.get(segments[0], len(segments))
    if len(segments) <= at:
        raise nowhere()
    group, version, rest = segments[1] if at > _CORE_ENDS else "", segments[at - 1], segments[at:]
    watched = rest[0] == "watch" and len(rest) > 1
    if watched:
        rest = rest[1:]
    if not _DOTS.isdisjoint(rest[:4]) or "/" in "".join(rest[:4]):
        raise nowhere()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (group or rest[2] not in _NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 and rest[2] not in _OPEN_ENDED:
        raise nowhere()
    plural, name, subresource, *_ = *rest[:3], "", ""
    return Path(group, version, plural, namespace, name, subresource, watched)


class Router:
    """The tables of all resources."""

    def __init__(self, resources: tuple[Resource, ...] = SERVED) -> None:
        self._resources = {(r.group, r.version, r.plural): r for r in resources}
        self._operations = {resource.qualified: operations_of(resource) for resource in resources}

    def way(self, method: str, path: Path, *, watch: bool) -> Way:
        """The same for all paths that differ in names only. Raises NotFound for a path that is not served,
        MethodNotAllowed."""
        resource = self._resources.get((path.group, path.version, path.plural))
        if resource is None or (path.namespace and not resource.namespaced):
            raise nowhere()
        if path.name and resource.namespaced and not path.namespace:
            raise nowhere()
        operations = self._operations[resource.qualified].get(path.subresource)
        if operations is None:
            raise nowhere()
        if path.name and not path.subresource and operations.keys() == {"create"}:
            # A question is asked and answered; it has no place.
            raise nowhere()
        verb = (_OBJECT_VERBS if path.name else _COLLECTION_VERBS).get(method, "")
        if verb == "get" and path.subresource in _STREAMS:
            verb = "create"
        if method == "HEAD" and path.subresource != "proxy":
            # Kubernetes answers it for what stands behind a proxy only.
            verb = ""
        if verb == "create" and path.name and not path.subresource:
            verb = ""
        if path.watch and (path.subresource or verb not in ("list", "get")):
            verb = ""  # nothing else has that form of a path
        elif (watch or path.watch) and verb in ("list", "get") and not path.subresource:
            verb = "watch"
        if resource.namespaced and not path.namespace and verb not in ("list", "watch"):
            verb = ""
        operation = operations.get(verb)
        if operation is None:
            raise not_allowed()
        return Way(resource, path.subresource, verb, operation)


def unserved(method: str, path: Path) -> tuple[str, Target]:
    """Verb and target of a request that nothing answers, as rules name them."""
    verb = (_OBJECT_VERBS if path.name else _COLLECTION_VERBS).get(method, method.lower())
    resource = Resource(Object, path.group, path.version, path.plural, namespaced=bool(path.namespace))
    return "watch" if path.watch else verb, Target(resource, path.namespace, path.name, path.subresource)


def nowhere() -> NotFound:
    """The answer for a path that names nothing; kubectl shows this sentence."""
    return NotFound("the server could not find the requested resource", details=StatusDetails())


def not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource", details=StatusDetails())

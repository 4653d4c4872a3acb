"""Paths and operations: what can be asked of each, in which forms, and what is answered."""

from collections.abc import Iterable
from typing import Any

from api.meta import DeleteOptions, Status
from api.openapi.dialect import Dialect, Served
from api.openapi.names import schema_name
from api.openapi.schemas import PATCH_NAME, gvk, list_name

_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json")
_JSON = "application/json"
_OBJECTS = (_JSON, "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_METHODS = {"get": "get", "list": "get", "create": "post", "update": "put", "patch": "patch"}
_METHODS |= {"delete": "delete", "deletecollection": "delete", "options": "options"}
_ACTIONS = _METHODS | {"get": "get", "list": "list", "deletecollection": "deletecollection"}
# Subresources whose answer only says that it is done.
_TELLING = ("binding", "eviction")
_COLLECTION = ("list", "create", "deletecollection")
_TEXTS = {
    "get": "read the specified",
    "list": "list or watch objects of kind",
    "create": "create a",
    "update": "replace the specified",
    "patch": "partially update the specified",
    "delete": "delete a",
    "deletecollection": "delete collection of",
    "options": "ask for the methods of the specified",
}
_PARAMETERS: dict[str, tuple[str, str]] = {
    "pretty": ("string", "If true, the answer is indented."),
    "dryRun": ("string", "All: do everything but store."),
    "fieldManager": ("string", "Who makes the change."),
    "fieldValidation": ("string", "Ignore, Warn or Strict: what is done about unknown and duplicate fields."),
    "force": ("boolean", "Take fields over from other managers; for apply patches."),
    "allowWatchBookmarks": ("boolean", "Send BOOKMARK events."),
    "continue": ("string", "Token of the next piece of a list."),
    "fieldSelector": ("string", "Restricts the objects by their fields."),
    "labelSelector": ("string", "Restricts the objects by their labels."),
    "limit": ("integer", "Most objects of one piece."),
    "resourceVersion": ("string", "The version from which on, or at least which, is wanted."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with the present state."),
    "timeoutSeconds": ("integer", "How long a watch lasts."),
    "watch": ("boolean", "Watch for changes."),
    "gracePeriodSeconds": ("integer", "Seconds until the object is removed by force."),
    "orphanDependents": ("boolean", "Old form of propagationPolicy Orphan."),
    "propagationPolicy": ("string", "Orphan, Background or Foreground: what happens to dependents."),
    "container": ("string", "The container meant."),
    "follow": ("boolean", "Go on as more is printed."),
    "previous": ("boolean", "Of the run before this one."),
    "sinceSeconds": ("integer", "Only what is newer than so many seconds."),
    "sinceTime": ("string", "Only what is newer than this time."),
    "tailLines": ("integer", "Only so many lines from the end."),
    "limitBytes": ("integer", "At most so many bytes."),
    "timestamps": ("boolean", "Put the time before each line."),
    "command": ("string", "A word of the command, which no shell reads; once for each."),
    "stdin": ("boolean", "Pass the input on."),
    "stdout": ("boolean", "Pass the output on."),
    "stderr": ("boolean", "Pass the error output on."),
    "tty": ("boolean", "Give it a terminal."),
    "ports": ("integer", "The ports to forward; for WebSockets."),
    "path": ("string", "The path there."),
}
_WRITING = ("pretty", "dryRun", "fieldManager", "fieldValidation")
_LISTING = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_DELETING = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_LOG = ("container", "follow", "previous", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "timestamps")
_ATTACHED = ("container", "stderr", "stdin", "stdout", "tty")
_CONNECTED = {"attach": _ATTACHED, "exec": ("command", *_ATTACHED), "portforward": ("ports",), "proxy": ("path",)}
_BY_SUBRESOURCE = {"log": _LOG, **_CONNECTED}
_BY_VERB: dict[str, tuple[str, ...]] = {
    "get": ("pretty",),
    "list": ("pretty", *_LISTING),
    "create": _WRITING,
    "update": _WRITING,
    "patch": (*_WRITING, "force"),
    "delete": ("pretty", *_DELETING),
    "deletecollection": ("pretty", *_DELETING, *_LISTING[1:7]),
    "options": (),
}


def paths_of(served: Iterable[Served], dialect: Dialect) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for one in served:
        for verb in one.verbs:
            if verb == "watch":
                continue
            collection = verb in _COLLECTION and not one.subresource
            path = one.resource.path("{namespace}", "" if collection else "{name}", one.subresource)
            item = paths.setdefault(path, {"parameters": _path_parameters(path, dialect)})
            item[_METHODS[verb]] = _operation(one, verb, dialect)
        if one.resource.namespaced and "list" in one.verbs:
            every = paths.setdefault(one.resource.path(), {"parameters": []})
            every["get"] = _operation(one, "list", dialect, everywhere=True)
    return paths


def _path_parameters(path: str, dialect: Dialect) -> list[dict[str, Any]]:
    texts = {"name": "Name of the object.", "namespace": "Namespace of the object."}
    return [
        _parameter(name, "path", "string", text, dialect) | {"required": True}
        for name, text in texts.items()
        if f"{{{name}}}" in path
    ]


def _parameter(name: str, place: str, kind: str, text: str, dialect: Dialect) -> dict[str, Any]:
    shape = (
        {"schema": {"type": kind, "uniqueItems": True}} if dialect.version == 3 else {"type": kind, "uniqueItems": True}
    )
    return {"name": name, "in": place, "description": text, **shape}


def _operation(one: Served, verb: str, dialect: Dialect, *, everywhere: bool = False) -> dict[str, Any]:
    resource, (group, version, kind) = one.resource, one.kind
    names = _BY_SUBRESOURCE.get(one.subresource) or _BY_VERB[verb]
    parameters = [_parameter(name, "query", *_PARAMETERS[name], dialect) for name in names]
    operation: dict[str, Any] = {
        "description": f"{_TEXTS[verb]} {resource.kind}" + (f" {one.subresource}" if one.subresource else ""),
        "operationId": _operation_id(one, verb, everywhere=everywhere),
        "tags": [f"{(resource.group or 'core').partition('.')[0]}_{resource.version}"],
        "x-kubernetes-action": "connect" if one.subresource in _CONNECTED else _ACTIONS[verb],
        "x-kubernetes-group-version-kind": gvk(group, version, kind),
    }
    _add_body(operation, parameters, one, verb, dialect)
    operation["parameters"] = parameters
    operation["responses"] = _responses(one, verb, dialect)
    if dialect.version == 2:
        operation["produces"] = list(_media(one, verb))
        operation["consumes"] = list(_PATCHES) if verb == "patch" else ["*/*"]
    return operation


def _operation_id(one: Served, verb: str, *, everywhere: bool) -> str:
    group = "".join(part.capitalize() for part in (one.resource.group or "core").split(".")[:1])
    action = {"get": "read", "update": "replace", "deletecollection": "deleteCollection"}.get(verb, verb)
    scope = "Namespaced" if one.resource.namespaced and not everywhere else ""
    return (
        f"{action}{group}{one.resource.version.capitalize()}{scope}{one.resource.kind}"
        f"{one.subresource.capitalize()}{'ForAllNamespaces' if everywhere else ''}"
    )


def _add_body(
    operation: dict[str, Any], parameters: list[dict[str, Any]], one: Served, verb: str, dialect: Dialect
) -> None:
    media: tuple[str, ...]
    if verb in ("create", "update") and one.type is not None:
        schema, media = dialect.reference(schema_name(one.type)), _OBJECTS
    elif verb == "patch":
        schema, media = dialect.reference(PATCH_NAME), _PATCHES
    elif verb in ("delete", "deletecollection"):
        schema, media = dialect.reference(schema_name(DeleteOptions)), _OBJECTS
    else:
        return
    needed = verb in ("create", "update", "patch")
    if dialect.version == 3:
        operation["requestBody"] = {"content": {name: {"schema": schema} for name in media}, "required": needed}
    else:
        parameters.append({"name": "body", "in": "body", "required": needed, "schema": schema})


def _media(one: Served, verb: str) -> tuple[str, ...]:
    """In which forms there is an answer, the first by default."""
    if one.type is None:
        return ("text/plain",)
    return (*_OBJECTS, *_STREAMS) if verb == "list" else _OBJECTS


def _responses(one: Served, verb: str, dialect: Dialect) -> dict[str, Any]:
    if one.type is None:
        schema: dict[str, Any] = {"type": "string"}
    elif verb == "list":
        schema = dialect.reference(list_name(one.resource))
    elif verb in ("delete", "deletecollection") or one.subresource in _TELLING:
        schema = dialect.reference(schema_name(Status))
    else:
        schema = dialect.reference(schema_name(one.type))
    codes = {"200": "OK"} | ({"201": "Created"} if verb in ("create", "update", "patch") else {})
    content = {media: {"schema": schema} for media in _media(one, verb)}
    return {
        code: {"description": text, "content": content}
        if dialect.version == 3
        else {"description": text, "schema": schema}
        for code, text in codes.items()
    } | {"401": {"description": "Unauthorized"}}

"""OpenAPI documents from the declarations: version 3 for each group version, version 2 for everything at once.

What ``kubectl explain``, ``apply`` and ``create --validate`` read of them is all there: descriptions, merge keys, the
group, version and kind of each operation and schema, and the query parameters of each operation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.meta import DeleteOptions, ListMeta, Object, Status
from api.resources import Resource
from api.schema import FieldSchema, Shape, fields_of, parts_of
from api.struct import F, Struct

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_PACKAGES = {
    "api.meta": _META,
    "api.apps": "io.k8s.api.apps.v1",
    "api.apps_sets": "io.k8s.api.apps.v1",
    "api.events": "io.k8s.api.events.v1",
    "api.policy": "io.k8s.api.policy.v1",
    "api.policy_v1beta1": "io.k8s.api.policy.v1beta1",
    "api.storage": "io.k8s.api.storage.v1",
    "api.autoscaling": "io.k8s.api.autoscaling.v1",
    "api.authentication": "io.k8s.api.authentication.v1",
    "api.authorization": "io.k8s.api.authorization.v1",
    "api.rbac": "io.k8s.api.rbac.v1",
    "api.scheduling": "io.k8s.api.scheduling.v1",
    "api.coordination": "io.k8s.api.coordination.v1",
    "api.discovery": "io.k8s.api.discovery.v1",
}
_CORE = "io.k8s.api.core.v1"
# Where our name of a part is not the one of Kubernetes, for another part of the same package has it here.
_RENAMED = {"SlicePort": "EndpointPort"}
# Declared beside the kind that uses them, and of the core group in Kubernetes.
_OF_CORE = ("TopologySelectorLabelRequirement", "TopologySelectorTerm")

_SCALARS: dict[str, tuple[str, dict[str, Any]]] = {
    "quantity": (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        {"type": "string", "description": "An amount of a resource, as 500m or 1Gi."},
    ),
    "time": (
        f"{_META}.Time",
        {"type": "string", "format": "date-time", "description": "A point of time, to the second."},
    ),
    "microtime": (
        f"{_META}.MicroTime",
        {"type": "string", "format": "date-time", "description": "A point of time, to the microsecond."},
    ),
    "intorstring": (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        {"type": "string", "format": "int-or-string", "description": "A number or a name."},
    ),
}
_PLAIN: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "number": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "any": {"type": "object"},
}
_ZERO: dict[str, Any] = {"string": "", "integer": 0, "boolean": False, "quantity": ""}
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json")
_JSON = "application/json"
_OBJECTS = (_JSON, "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_BEARER = {
    "BearerToken": {
        "description": "Bearer Token authentication: Bearer TOKEN",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}
_PATCH_NAME = f"{_META}.Patch"
_PATCH_SCHEMA = {"description": "The change, in the form that the Content-Type says.", "type": "object"}


@dataclass(frozen=True, slots=True)
class Served:
    """One path of a resource: the collection and object (no subresource), or one subresource.

    verbs: as in discovery. type: what is sent and answered, when it is not the resource's own type; None for text.
    kind: group, version and kind of that.
    """

    resource: Resource
    subresource: str
    verbs: tuple[str, ...]
    type: type[Struct] | None
    kind: tuple[str, str, str]


def schema_name(kind: type[Struct]) -> str:
    """The name of a part's schema, as ``io.k8s.api.core.v1.Pod``."""
    package = _CORE if kind.__name__ in _OF_CORE else _PACKAGES.get(kind.__module__, _CORE)
    return f"{package}.{_RENAMED.get(kind.__name__, kind.__name__)}"


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Where the versions of OpenAPI differ."""

    version: int

    def reference(self, name: str) -> dict[str, Any]:
        return {"$ref": ("#/components/schemas/" if self.version == 3 else "#/definitions/") + name}

    def property(self, name: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        """A field that is a part of its own; version 3 allows nothing beside a reference."""
        if self.version == 3 and extra:
            return {**extra, "allOf": [self.reference(name)]}
        return {**extra, **self.reference(name)}


def document_v3(served: Sequence[Served], *, version: str) -> dict[str, Any]:
    """The document of one group version."""
    dialect = _Dialect(3)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": _paths(served, dialect),
        "components": {"schemas": schemas(served, dialect.version), "securitySchemes": _BEARER},
        "security": [{name: []} for name in _BEARER],
    }


def document_v2(served: Sequence[Served], *, version: str) -> dict[str, Any]:
    """The document of all that is served."""
    dialect = _Dialect(2)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": _paths(served, dialect),
        "definitions": schemas(served, dialect.version),
        "security": [{name: []} for name in _BEARER],
        "securityDefinitions": _BEARER,
    }


def schemas(served: Iterable[Served], version: int) -> dict[str, Any]:
    """The schemas of all kinds and their parts."""
    dialect = _Dialect(version)
    found: dict[str, Any] = {**dict(_SCALARS.values()), _PATCH_NAME: _PATCH_SCHEMA}
    roots: list[type[Struct]] = [Status, DeleteOptions, ListMeta]
    for one in served:
        roots.append(one.type or one.resource.type)
        if not one.subresource and issubclass(one.resource.type, Object) and "list" in one.verbs:
            found[_list_name(one.resource)] = _list_schema(one.resource, dialect)
    kinds = _kinds_of(served)
    for root in roots:
        for part in parts_of(root):
            found.setdefault(schema_name(part), _schema(part, dialect, kinds.get(part)))
    return dict(sorted(found.items()))


def _kinds_of(served: Iterable[Served]) -> dict[type[Struct], list[dict[str, str]]]:
    kinds: dict[type[Struct], list[dict[str, str]]] = {}
    for one in served:
        kinds.setdefault(one.type or one.resource.type, [_gvk(*one.kind)])
    kinds[DeleteOptions] = [_gvk("", "v1", "DeleteOptions")]
    kinds[Status] = [_gvk("", "v1", "Status")]
    return kinds


def _gvk(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "kind": kind, "version": version}


def _list_name(resource: Resource) -> str:
    return f"{schema_name(resource.type)}List"


def _list_schema(resource: Resource, dialect: _Dialect) -> dict[str, Any]:
    kind = f"{resource.kind}List"
    return {
        "description": f"{kind} is a list of {resource.kind}.",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Group and version of this representation."},
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": dialect.reference(schema_name(resource.type)),
            },
            "kind": {"type": "string", "description": "Kind of the list."},
            "metadata": dialect.property(schema_name(ListMeta), {"description": "Version of the list."}),
        },
        "x-kubernetes-group-version-kind": [_gvk(resource.group, resource.version, kind)],
    }


def _schema(part: type[Struct], dialect: _Dialect, kinds: list[dict[str, str]] | None) -> dict[str, Any]:
    fields = fields_of(part)
    schema: dict[str, Any] = {
        "description": " ".join((part.__doc__ or "").split()),
        "type": "object",
        "properties": {field.wire: _property(field, dialect) for field in fields},
    }
    if required := [field.wire for field in fields if _is_listed(field.spec)]:
        schema["required"] = required
    if kinds:
        schema["x-kubernetes-group-version-kind"] = kinds
    return schema


def _is_listed(spec: F) -> bool:
    return spec.required if spec.listed is None else spec.listed


def _property(field: FieldSchema, dialect: _Dialect) -> dict[str, Any]:
    spec = field.spec
    extra: dict[str, Any] = {"description": spec.text}
    if spec.default is not None:
        extra["default"] = spec.default
    elif _is_listed(spec) and field.shape.form in _ZERO and dialect.version == 3 and not (spec.enum or spec.minimum):
        extra["default"] = _ZERO[field.shape.form]
    extra |= _bounds(spec, field.shape) | _merging(spec)
    return _shaped(field.shape, dialect, extra)


def _bounds(spec: F, shape: Shape) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if spec.enum and shape.form == "string":
        found["enum"] = [value for value in spec.enum if value or spec.default == ""]
    if spec.minimum is not None:
        found["minimum"] = spec.minimum
    if spec.maximum is not None:
        found["maximum"] = spec.maximum
    return found


def _merging(spec: F) -> dict[str, Any]:
    """How strategic merge treats a list; kubectl's apply reads it here."""
    strategies = [
        name for name, on in (("merge", spec.merge or spec.merge_key), ("retainKeys", spec.retain_keys)) if on
    ]
    if not strategies:
        return {}
    found: dict[str, Any] = {"x-kubernetes-patch-strategy": ",".join(strategies)}
    if spec.merge_key:
        found["x-kubernetes-patch-merge-key"] = spec.merge_key
        found["x-kubernetes-list-map-keys"] = [spec.merge_key]
        found["x-kubernetes-list-type"] = "map"
    elif spec.merge:
        found["x-kubernetes-list-type"] = "set"
    return found


def _shaped(shape: Shape, dialect: _Dialect, extra: Mapping[str, Any]) -> dict[str, Any]:
    match shape.form:
        case "struct":
            assert shape.struct is not None
            return dialect.property(schema_name(shape.struct), extra)
        case "list":
            assert shape.item is not None
            return {**extra, "type": "array", "items": _shaped(shape.item, dialect, {})}
        case "map":
            assert shape.item is not None
            return {**extra, "type": "object", "additionalProperties": _shaped(shape.item, dialect, {})}
        case form if form in _SCALARS:
            return dialect.property(_SCALARS[form][0], extra)
        case form:
            width = {"format": shape.width} if shape.width else {}
            return {**extra, **_PLAIN[form], **width}


# Paths and operations.

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


def _paths(served: Iterable[Served], dialect: _Dialect) -> dict[str, Any]:
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


def _path_parameters(path: str, dialect: _Dialect) -> list[dict[str, Any]]:
    texts = {"name": "Name of the object.", "namespace": "Namespace of the object."}
    return [
        _parameter(name, "path", "string", text, dialect) | {"required": True}
        for name, text in texts.items()
        if f"{{{name}}}" in path
    ]


def _parameter(name: str, place: str, kind: str, text: str, dialect: _Dialect) -> dict[str, Any]:
    shape = (
        {"schema": {"type": kind, "uniqueItems": True}} if dialect.version == 3 else {"type": kind, "uniqueItems": True}
    )
    return {"name": name, "in": place, "description": text, **shape}


_CONNECTED = ("attach", "exec", "portforward", "proxy")


def _operation(one: Served, verb: str, dialect: _Dialect, *, everywhere: bool = False) -> dict[str, Any]:
    resource, (group, version, kind) = one.resource, one.kind
    names = _LOG if one.subresource == "log" else _BY_VERB[verb]
    parameters = [_parameter(name, "query", *_PARAMETERS[name], dialect) for name in names]
    operation: dict[str, Any] = {
        "description": f"{_TEXTS[verb]} {resource.kind}" + (f" {one.subresource}" if one.subresource else ""),
        "operationId": _operation_id(one, verb, everywhere=everywhere),
        "tags": [f"{(resource.group or 'core').partition('.')[0]}_{resource.version}"],
        "x-kubernetes-action": "connect" if one.subresource in _CONNECTED else _ACTIONS[verb],
        "x-kubernetes-group-version-kind": _gvk(group, version, kind),
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
    operation: dict[str, Any], parameters: list[dict[str, Any]], one: Served, verb: str, dialect: _Dialect
) -> None:
    media: tuple[str, ...]
    if verb in ("create", "update") and one.type is not None:
        schema, media = dialect.reference(schema_name(one.type)), _OBJECTS
    elif verb == "patch":
        schema, media = dialect.reference(_PATCH_NAME), _PATCHES
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


def _responses(one: Served, verb: str, dialect: _Dialect) -> dict[str, Any]:
    if one.type is None:
        schema: dict[str, Any] = {"type": "string"}
    elif verb == "list":
        schema = dialect.reference(_list_name(one.resource))
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

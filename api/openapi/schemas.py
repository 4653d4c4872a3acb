"""Schemas: the kinds and their parts, from the declarations of their fields."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.meta import DeleteOptions, ListMeta, Object, Status
from api.openapi.dialect import Dialect, Served
from api.openapi.names import META, schema_name
from api.resources import Resource
from api.schema import FieldSchema, Shape, fields_of, parts_of
from api.struct import F, Struct

_SCALARS: dict[str, tuple[str, dict[str, Any]]] = {
    "quantity": (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        {"type": "string", "description": "An amount of a resource, as 500m or 1Gi."},
    ),
    "time": (
        f"{META}.Time",
        {"type": "string", "format": "date-time", "description": "A point of time, to the second."},
    ),
    "microtime": (
        f"{META}.MicroTime",
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
PATCH_NAME = f"{META}.Patch"
_PATCH_SCHEMA = {"description": "The change, in the form that the Content-Type says.", "type": "object"}


def schemas(served: Sequence[Served], dialect: Dialect) -> dict[str, Any]:
    """The schemas of all kinds and their parts."""
    found: dict[str, Any] = {**dict(_SCALARS.values()), PATCH_NAME: _PATCH_SCHEMA}
    roots: list[type[Struct]] = [Status, DeleteOptions, ListMeta]
    for one in served:
        roots.append(one.type or one.resource.type)
        if not one.subresource and issubclass(one.resource.type, Object) and "list" in one.verbs:
            found[list_name(one.resource)] = _list_schema(one.resource, dialect)
    kinds = _kinds_of(served)
    for root in roots:
        for part in parts_of(root):
            found.setdefault(schema_name(part), _schema(part, dialect, kinds.get(part)))
    return dict(sorted(found.items()))


def _kinds_of(served: Iterable[Served]) -> dict[type[Struct], list[dict[str, str]]]:
    kinds: dict[type[Struct], list[dict[str, str]]] = {}
    for one in served:
        kinds.setdefault(one.type or one.resource.type, [gvk(*one.kind)])
    kinds[DeleteOptions] = [gvk("", "v1", "DeleteOptions")]
    kinds[Status] = [gvk("", "v1", "Status")]
    return kinds


def gvk(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "kind": kind, "version": version}


def list_name(resource: Resource) -> str:
    return f"{schema_name(resource.type)}List"


def _list_schema(resource: Resource, dialect: Dialect) -> dict[str, Any]:
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
        "x-kubernetes-group-version-kind": [gvk(resource.group, resource.version, kind)],
    }


def _schema(part: type[Struct], dialect: Dialect, kinds: list[dict[str, str]] | None) -> dict[str, Any]:
    fields = fields_of(part)
    schema: dict[str, Any] = {
        "description": " ".join((part.__doc__ or "").split()),
        "type": "object",
        "properties": {field.wire: _property(field, dialect) for field in fields},
    }
    if required := [field.wire for field in fields if _is_listed(field.spec)]:
        schema["required"] = required
    if part.whole:
        schema["x-kubernetes-map-type"] = "atomic"
    if kinds:
        schema["x-kubernetes-group-version-kind"] = kinds
    return schema


def _is_listed(spec: F) -> bool:
    return bool(spec.required) if spec.listed is None else spec.listed


def _property(field: FieldSchema, dialect: Dialect) -> dict[str, Any]:
    spec = field.spec
    extra: dict[str, Any] = {"description": spec.text}
    if spec.default is not None:
        extra["default"] = spec.default
    elif _is_listed(spec) and field.shape.form in _ZERO and dialect.version == 3 and not (spec.enum or spec.minimum):
        extra["default"] = _ZERO[field.shape.form]
    extra |= _bounds(spec, field.shape) | _merging(spec, field.shape)
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


def _merging(spec: F, shape: Shape) -> dict[str, Any]:
    """How strategic merge and apply treat a list; kubectl's apply reads it here."""
    strategies = [
        name for name, on in (("merge", spec.merge or spec.merge_key), ("retainKeys", spec.retain_keys)) if on
    ]
    if not strategies:
        return {"x-kubernetes-list-type": "atomic"} if shape.form == "list" else {}
    found: dict[str, Any] = {"x-kubernetes-patch-strategy": ",".join(strategies)}
    if spec.merge_key:
        found["x-kubernetes-patch-merge-key"] = spec.merge_key
        found["x-kubernetes-list-map-keys"] = [spec.merge_key, *([spec.second_key] if spec.second_key else [])]
        found["x-kubernetes-list-type"] = "map"
    elif spec.merge:
        found["x-kubernetes-list-type"] = "set"
    return found


def _shaped(shape: Shape, dialect: Dialect, extra: Mapping[str, Any]) -> dict[str, Any]:
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

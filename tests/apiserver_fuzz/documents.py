"""Documents that are almost right: every declared field of every kind, set to what it must not be."""

import base64
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from api.resources import RESOURCES, Resource
from api.schema import FieldSchema, by_wire
from api.struct import Struct

# What people and programs put where something else is due; the numbers stand at the edges of int32, int64 and uint64.
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    2**31,
    -(2**63) - 1,
    2**64,
    10**400,
    "",
    "x",
    "-",
    "99999999999999999999",
    "²",
    "9" * 5000,
    "9" * 5000 + "%",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "2024-01-01T00:00:00+99:99",
    "1e9999",
    "\0",
    "\ud83d",
    "é" * 300,
    "10.0.0.0/33",
    "::",
    "a,b=c",
    base64.b64encode(b"\xff" * 9).decode(),
    [],
    [None],
    [[]],
    ["x", "x"],
    {},
    {"": ""},
    {"x": None},
    {"x": {"x": []}},
    {"\0": "\0"},
)
KINDS = tuple(resource for resource in RESOURCES if not resource.computed)
_CONTAINER = {"name": "c", "image": "i"}
_SPEC: dict[str, Any] = {
    "Pod": {"containers": [_CONTAINER]},
    "Service": {"ports": [{"port": 80}]},
    "PersistentVolumeClaim": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
_PODS = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [_CONTAINER]}}
_MORE: dict[str, dict[str, Any]] = {
    "ReplicationController": {"spec": {"selector": {"a": "b"}, "template": _PODS}},
    "ReplicaSet": {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _PODS}},
    "Deployment": {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _PODS}},
    "PodTemplate": {"template": _PODS},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": []},
}


def base(resource: Resource, name: str = "x") -> dict[str, Any]:
    """The smallest object of a kind that is accepted, for most kinds."""
    found: dict[str, Any] = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name} | ({"namespace": "default"} if resource.namespaced else {}),
    }
    if resource.kind in _SPEC:
        found["spec"] = _SPEC[resource.kind]
    return _copy(found | _MORE.get(resource.kind, {}))


def collection(resource: Resource) -> str:
    root = f"/api/{resource.version}" if not resource.group else f"/apis/{resource.group}/{resource.version}"
    return f"{root}/namespaces/default/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"


def field_paths(resource: Resource) -> list[tuple[FieldSchema, ...]]:
    """All declared fields of a kind, each with those above it. Pod templates are walked for one kind only."""
    return list(_paths(resource.type, (), whole=resource.plural == "pods"))


def _paths(
    kind: type[Struct], above: tuple[FieldSchema, ...], *, whole: bool, depth: int = 0
) -> Iterator[tuple[FieldSchema, ...]]:
    for field in by_wire(kind).values():
        path = (*above, field)
        yield path
        inner = _innermost(field)
        if inner is not None and depth < 9 and (whole or field.wire != "template"):
            yield from _paths(inner, path, whole=whole, depth=depth + 1)


def _innermost(field: FieldSchema) -> type[Struct] | None:
    shape = field.shape
    while shape.form in ("list", "map") and shape.item is not None:
        shape = shape.item
    return shape.struct


def with_value(document: dict[str, Any], path: tuple[FieldSchema, ...], value: Any) -> dict[str, Any]:
    """The document with a value at a path; what is missing on the way is made, lists with one item."""
    found = _copy(document)
    at: Any = found
    for field in path[:-1]:
        at = _below(at, field)
    at[path[-1].wire] = value
    return found


def _below(at: dict[str, Any], field: FieldSchema) -> Any:
    shape = field.shape
    if shape.form == "list":
        if not at.get(field.wire):
            at[field.wire] = [{}]
        return at[field.wire][0]
    if shape.form == "map":
        return at.setdefault(field.wire, {}).setdefault("k", {})
    return at.setdefault(field.wire, {})


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


_NAMES = st.sampled_from(
    [
        *sorted({field.wire for resource in KINDS for path in field_paths(resource) for field in path}),
        *("$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers"),
    ]
)
# Lone surrogates are JSON all the same; json.dumps writes them as escapes.
_LEAVES = st.sampled_from([leaf for leaf in ODD if not isinstance(leaf, dict | list)]) | st.text(
    st.characters(), max_size=8
)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)

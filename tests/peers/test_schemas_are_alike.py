"""The OpenAPI documents of both API servers: of what both serve, the same fields are there, and called required."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.doors import Api

pytestmark = pytest.mark.peer

# By kind, what 1.21 to 1.32 have changed, and ours with it.
_NEWER_REQUIRED = {
    "events.v1.Event": {"metadata"},
    "ContainerImage": {"names"},
    "HostAlias": {"ip"},
    "PodIP": {"ip"},
}
# Neither of use since 1.20, nor written by anyone who could be met: fields that ours leaves out.
_LEFT_OUT = {
    "EphemeralVolumeSource": {"readOnly"},
    "ListMeta": {"selfLink"},
    "NodeSpec": {"configSource", "externalID"},
    "NodeStatus": {"config", "volumesAttached"},
    "ObjectMeta": {"clusterName", "selfLink"},
    "ServiceSpec": {"topologyKeys"},
}


def _schemas(api: Api) -> dict[str, Any]:
    return dict(api.get("/openapi/v2")["definitions"])


def _required(schema: Any) -> set[str]:
    return set(schema.get("required", ()))


def _of(name: str, told: dict[str, set[str]]) -> set[str]:
    """What is told of a kind, by the end of its name."""
    return {field for end, fields in told.items() if name.endswith(f".{end}") for field in fields}


def test_the_same_fields_are_required(our_api: Api, their_api: Api) -> None:
    ours, theirs = _schemas(our_api), _schemas(their_api)
    both = ours.keys() & theirs.keys()
    assert len(both) > 250
    differing = {name: _required(ours[name]) ^ _required(theirs[name]) for name in both}
    assert {name: left for name, found in differing.items() if (left := found - _of(name, _NEWER_REQUIRED))} == {}


# A set to Kubernetes; ours is a list that is replaced.
_OTHERWISE = {("CSIDriverSpec", "volumeLifecycleModes")}


def test_lists_and_parts_are_merged_the_same(our_api: Api, their_api: Api) -> None:
    """1.20 says it of few; what it says, ours says too."""
    ours, theirs = _schemas(our_api), _schemas(their_api)
    compared = 0
    for name in ours.keys() & theirs.keys():
        assert theirs[name].get("x-kubernetes-map-type") in (None, ours[name].get("x-kubernetes-map-type")), name
        for field, said in theirs[name].get("properties", {}).items():
            mine = ours[name].get("properties", {}).get(field, {})
            keys = said.keys() & {"x-kubernetes-list-type", "x-kubernetes-list-map-keys"}
            if keys and mine and (name.rpartition(".")[2], field) not in _OTHERWISE:
                assert {key: mine.get(key) for key in keys} == {key: said[key] for key in keys}, (name, field)
                compared += 1
    assert compared >= 8


def test_no_field_is_missing(our_api: Api, their_api: Api) -> None:
    ours, theirs = _schemas(our_api), _schemas(their_api)
    missing = {
        name: theirs[name].get("properties", {}).keys() - ours[name].get("properties", {}).keys()
        for name in ours.keys() & theirs.keys()
    }
    assert {name: left for name, found in missing.items() if (left := found - _of(name, _LEFT_OUT))} == {}


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy"])
def test_who_connects_is_told_the_same_parameters(our_api: Api, their_api: Api, subresource: str) -> None:
    path = f"/api/v1/namespaces/{{namespace}}/pods/{{name}}/{subresource}"
    ours, theirs = (_parameters(api.get("/openapi/v2")["paths"][path]) for api in (our_api, their_api))
    assert ours == theirs


def _parameters(path: Any) -> set[tuple[str, str, str]]:
    """Name, place and type of each parameter of a GET, said of the path or of the operation."""
    told = (*path["parameters"], *path["get"].get("parameters", ()))
    return {(one["name"], one["in"], one["type"]) for one in told}

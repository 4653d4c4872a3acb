"""Unknown fields by path, and keys given twice."""

import pytest

from api.core import ConfigMap, Pod
from api.strict import duplicate_keys, unknown_fields


def test_unknown_fields_are_named_by_path() -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "labels": {"any": "x"}, "nam": "b"},
        "specs": {},
        "spec": {
            "containers": [{"name": "a"}, {"name": "b", "imagee": "x", "env": [{"nme": "A"}]}],
            "initContainers": [{"ports": [{"port": 80}]}],
            "restart_policy": "Never",
        },
    }
    assert unknown_fields(document, Pod) == [
        "metadata.nam",
        "specs",
        "spec.containers[1].imagee",
        "spec.containers[1].env[0].nme",
        "spec.initContainers[0].ports[0].port",
        "spec.restart_policy",
    ]


def test_free_maps_may_hold_anything() -> None:
    assert unknown_fields({"data": {"anything": "goes"}, "metadata": {"annotations": {"x": "y"}}}, ConfigMap) == []


@pytest.mark.parametrize("document", [[], "x", None, {"spec": []}, {"spec": {"containers": {"a": 1}}}])
def test_a_wrong_type_is_not_strictness_business(document: object) -> None:
    assert unknown_fields(document, Pod) == []


def test_keys_given_twice_are_named() -> None:
    assert duplicate_keys('{"a":1,"b":{"c":1,"c":2},"a":3}') == ["b.c", "a"]
    assert duplicate_keys('{"a":[{},{"b":1,"b":[{"c":1,"c":2}]}]}') == ["a[1].b", "a[1].b[0].c"]
    assert duplicate_keys(b'{"a":{"x":1},"b":{"x":1}}') == []

"""Strategic merge patch: keyed lists, primitive lists and directives."""

import copy
from typing import Any

import pytest

from api.core import Pod, Service
from api.errors import BadRequest
from api.patching import strategic_merge

DEEP: Any = 1
for _ in range(5000):
    DEEP = {"a": DEEP}

POD: dict[str, Any] = {
    "metadata": {"name": "a", "labels": {"app": "web", "tier": "front"}, "finalizers": ["x/1", "x/2"]},
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "args": ["-a", "-b"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "http"}],
            },
            {"name": "side", "image": "side:1"},
        ],
        "volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}],
        "tolerations": [{"key": "a"}],
    },
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]},
}


def patched(patch: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(POD)
    result = strategic_merge(POD, patch, Pod)
    assert before == POD, "the original is not changed"
    return result


def containers(*patch: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = patched({"spec": {"containers": list(patch), **more}})["spec"]["containers"]
    return result


def test_containers_merge_by_name() -> None:
    web, side = containers({"name": "web", "image": "web:2"})
    assert web == {**POD["spec"]["containers"][0], "image": "web:2"}
    assert side == POD["spec"]["containers"][1]


def test_a_new_container_goes_first_without_its_nulls() -> None:
    assert containers({"name": "new", "image": "new:1", "command": None})[0] == {"name": "new", "image": "new:1"}


def test_env_merges_by_name_and_null_removes() -> None:
    web = containers({"name": "web", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}], "args": None})[
        0
    ]
    assert web["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}]
    assert "args" not in web


def test_lists_without_a_key_are_replaced() -> None:
    assert containers({"name": "web", "args": ["-c"]})[0]["args"] == ["-c"]
    assert patched({"spec": {"tolerations": [{"key": "b"}]}})["spec"]["tolerations"] == [{"key": "b"}]


def test_an_item_is_deleted_by_its_key() -> None:
    assert [item["name"] for item in containers({"name": "side", "$patch": "delete"})] == ["web"]
    assert [item["name"] for item in containers({"name": "none", "$patch": "delete"})] == ["web", "side"]


def test_a_list_is_replaced_on_request() -> None:
    assert containers({"name": "only", "image": "o"}, {"$patch": "replace"}) == [{"name": "only", "image": "o"}]


def test_a_map_is_replaced_or_deleted_on_request() -> None:
    assert patched({"metadata": {"labels": {"$patch": "replace", "x": "y"}}})["metadata"]["labels"] == {"x": "y"}
    assert patched({"metadata": {"labels": {"$patch": "delete"}}})["metadata"]["labels"] == {}
    assert patched({"metadata": {"labels": {"tier": None, "x": "y"}}})["metadata"]["labels"] == {"app": "web", "x": "y"}


def test_only_kept_keys_remain() -> None:
    patch = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}}
    assert patched(patch)["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]


def test_the_order_is_set() -> None:
    order = {"$setElementOrder/containers": [{"name": "new"}, {"name": "side"}, {"name": "web"}]}
    assert [item["name"] for item in containers({"name": "new", "image": "n"}, **order)] == ["new", "side", "web"]
    patch = {"metadata": {"$setElementOrder/finalizers": ["x/2", "x/1"]}}
    assert patched(patch)["metadata"]["finalizers"] == ["x/2", "x/1"]


def test_items_that_an_order_does_not_name_keep_their_place() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "side"}]}}
    assert [item["name"] for item in patched(patch)["spec"]["containers"]] == ["web", "side"]


def test_what_a_patch_brings_stands_in_its_order() -> None:
    """As in Kubernetes: what only the object has goes in front of the first item that it stood in front of before."""
    env = [{"name": name, "value": "x"} for name in ("C", "B", "A")]
    web = containers({"name": "web", "env": env})[0]
    assert [item["name"] for item in web["env"]] == ["C", "B", "A"]
    web = containers({"name": "web", "env": [{"name": "C", "value": "x"}]})[0]
    assert [item["name"] for item in web["env"]] == ["C", "A", "B"]
    web = containers({"name": "web", "env": [{"name": "B", "value": "x"}]})[0]
    assert [item["name"] for item in web["env"]] == ["A", "B"]


@pytest.mark.parametrize("order", [[{"name": "side"}], [{"name": "web"}, {"name": "side"}, {"name": "x"}]])
def test_an_order_must_be_that_of_the_patch(order: list[dict[str, str]]) -> None:
    changes = {"containers": [{"name": "side", "image": "s"}, {"name": "web", "image": "w"}]}
    with pytest.raises(BadRequest, match="The order in patch list"):
        patched({"spec": {**changes, "$setElementOrder/containers": order}})


def test_an_order_does_not_name_what_is_deleted() -> None:
    changes = [{"name": "side", "$patch": "delete"}, {"name": "web", "image": "w"}]
    order = {"$setElementOrder/containers": [{"name": "web"}]}
    assert [item["name"] for item in containers(*changes, **order)] == ["web"]


def test_what_is_not_kept_cannot_be_changed() -> None:
    with pytest.raises(BadRequest, match="invalid patch format of retainKeys"):
        patched({"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"], "hostPath": {"path": "/x"}}]}})


def test_finalizers_are_a_set() -> None:
    assert patched({"metadata": {"finalizers": ["x/3", "x/1"]}})["metadata"]["finalizers"] == ["x/3", "x/1", "x/2"]


def test_primitive_items_are_deleted() -> None:
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/1"]}}
    assert patched(patch)["metadata"]["finalizers"] == ["x/2"]
    both = {"metadata": {"finalizers": ["x/3"], "$deleteFromPrimitiveList/finalizers": ["x/1"]}}
    assert patched(both)["metadata"]["finalizers"] == ["x/3", "x/2"]


def test_conditions_merge_by_type() -> None:
    conditions = patched({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})["status"]["conditions"]
    assert conditions == [{"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"}]


def test_ports_merge_by_number() -> None:
    assert containers({"name": "web", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 443}]})[0][
        "ports"
    ] == [{"containerPort": 80, "name": "web"}, {"containerPort": 443}]
    service = {"spec": {"ports": [{"port": 80, "nodePort": 30001}]}}
    assert strategic_merge(service, {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}, Service) == {
        "spec": {"ports": [{"port": 80, "nodePort": 30001, "targetPort": 8080}]}
    }


def test_an_owner_is_taken_off_by_its_uid() -> None:
    pod = {"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}, {"uid": "2", "name": "b"}]}}
    patch = {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "1"}]}}
    assert strategic_merge(pod, patch, Pod) == {"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]}}


@pytest.mark.parametrize(
    "patch",
    [
        None,
        [],
        "x",
        {"$patch": "explode"},
        {"$unknown": 1},
        {"spec": {"containers": [{"image": "x"}]}},
        {"spec": {"containers": ["x"]}},
        {"spec": {"$setElementOrder/containers": {}}},
        {"spec": {"$retainKeys": "name"}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "x/1"}},
        {"metadata": {"labels": DEEP}},
    ],
)
def test_a_senseless_patch_is_a_bad_request(patch: Any) -> None:
    with pytest.raises(BadRequest):
        strategic_merge(POD, patch, Pod)

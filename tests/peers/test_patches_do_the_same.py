"""Strategic merge patches with every directive, to both API servers: the same object, or both refuse.

Kubernetes answers 500 to most patches that make no sense, and we 400; what both take must come to the same.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.e2e.doors import Api
from tests.peers.alike import differences, removed

pytestmark = pytest.mark.peer

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
BASE: dict[str, Any] = {
    "metadata": {"name": "patched", "finalizers": ["a/a", "a/b", "a/c"], "labels": {"x": "1"}},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "volumes": [{"name": "v1", "emptyDir": {}}, {"name": "v2", "hostPath": {"path": "/a"}}],
                "imagePullSecrets": [{"name": "s1"}, {"name": "s2"}],
                "containers": [
                    {
                        "name": "c1",
                        "image": "x",
                        "env": [{"name": name, "value": name} for name in "ABCD"],
                        "ports": [{"containerPort": port} for port in (1, 2, 3)],
                    },
                    {"name": "c2", "image": "y", "env": [{"name": "A", "value": "A"}], "ports": [{"containerPort": 9}]},
                ],
            },
        },
    },
}
_SOURCES: list[dict[str, Any]] = [
    {"name": "v1", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}},
    {"name": "v1", "$retainKeys": ["name"], "hostPath": {"path": "/x"}},
    {"name": "v2", "emptyDir": {}},
    {"name": "v2", "$patch": "delete"},
]
_SECRETS: list[list[dict[str, Any]]] = [
    [{"name": "s3"}],
    [{"name": "s1", "$patch": "delete"}],
    [{"$patch": "replace"}, {"name": "s9"}],
]
_LABELS: list[Any] = [{"$patch": "replace", "y": "2"}, {"$patch": "delete"}, {"x": None, "z": "1"}, None]
_WRONG: list[Any] = [{"data": {"a": 1}}, {"data": "x"}, {"data": {"a": ["b"]}}, {"metadata": {"labels": {"a": 1}}}]


def _list(chance: random.Random, items: list[Any], known: list[Any], key: str) -> dict[str, Any]:
    """Changes of a list, or its order, or both; the order is nearly always one that fits."""
    name = {"name": "env", "containerPort": "ports", "": "finalizers"}[key]
    made: dict[str, Any] = {}
    if items and chance.random() < 0.8:
        made[name] = items
    if chance.random() < 0.5:
        values = [item[key] if key else item for item in made.get(name, []) if "$patch" not in item]
        left = [one for one in known if one not in values]
        others = chance.sample(left, min(len(left), chance.randint(0, 2)))
        order = values + others if chance.random() < 0.8 else chance.sample(known, chance.randint(1, len(known)))
        made[f"$setElementOrder/{name}"] = [{key: one} for one in order] if key else order
    return made


def drawn(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    variables: list[dict[str, Any]] = [
        {"name": name, "$patch": "delete"} if chance.random() < 0.2 else {"name": name, "value": "new"}
        for name in chance.sample("ABCDEF", chance.randint(1, 4))
    ]
    ports = [{"containerPort": port, "name": f"p{port}"} for port in chance.sample([1, 2, 3, 4], chance.randint(1, 3))]
    container: dict[str, Any] = {"name": "c1", **_list(chance, variables, list("ABCDEF"), "name")}
    if chance.random() < 0.4:
        container |= _list(chance, ports, [1, 2, 3, 4], "containerPort")
    spec: dict[str, Any] = {"containers": [container]}
    if chance.random() < 0.3:
        spec["$setElementOrder/containers"] = chance.choice([[{"name": "c2"}, {"name": "c1"}], [{"name": "c1"}]])
    if chance.random() < 0.3:
        spec["volumes"] = [chance.choice(_SOURCES)]
    if chance.random() < 0.3:
        spec["imagePullSecrets"] = chance.choice(_SECRETS)
    metadata: dict[str, Any] = {}
    if chance.random() < 0.5:
        finalizers = chance.sample(["a/a", "a/b", "a/c", "a/d"], chance.randint(1, 3))
        metadata |= _list(chance, finalizers, ["a/a", "a/b", "a/c", "a/d"], "")
    if chance.random() < 0.3:
        metadata["labels"] = chance.choice(_LABELS)
    return {"metadata": metadata, "spec": {"template": {"spec": spec}}}


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    return our_api, their_api


def _patched(api: Api, path: str, patch: Any, form: str = "strategic-merge-patch") -> Any:
    return api.call("PATCH", path, data=json.dumps(patch), headers={"Content-Type": f"application/{form}+json"})


@pytest.mark.parametrize("seed", range(60))
def test_a_strategic_patch_comes_to_the_same(both: tuple[Api, Api], seed: int) -> None:
    patch, answers = drawn(seed), []
    for api in both:
        assert api.call("POST", DEPLOYMENTS, json=BASE).status_code == 201
        answers.append(_patched(api, f"{DEPLOYMENTS}/patched", patch))
        removed(api, f"{DEPLOYMENTS}/patched")
    ours, theirs = answers
    assert (ours.status_code < 300) == (theirs.status_code < 300), (patch, ours.text, theirs.text)
    assert ours.status_code < 300 or ours.status_code in (400, 422)
    if ours.status_code < 300:
        assert not (found := differences(ours.json(), theirs.json())), (patch, found)


@pytest.mark.parametrize("form", ["strategic-merge-patch", "merge-patch"])
@pytest.mark.parametrize("patch", _WRONG, ids=str)
def test_a_patch_to_what_cannot_be_is_invalid(both: tuple[Api, Api], patch: Any, form: str) -> None:
    configs, told = "/api/v1/namespaces/default/configmaps", []
    for api in both:
        assert api.call("POST", configs, json={"metadata": {"name": "patched"}, "data": {"a": "b"}}).status_code == 201
        answer = _patched(api, f"{configs}/patched", patch, form)
        causes = answer.json().get("details", {}).get("causes", [])
        told.append((answer.status_code, [(one["field"], one["reason"]) for one in causes]))
        removed(api, f"{configs}/patched")
    assert told[0] == told[1] == (422, [("patch", "FieldValueInvalid")])

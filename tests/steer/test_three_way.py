"""The patch of `apply`, put through the strategic merge that the server does."""

import copy
from typing import Any

from api.core import Pod
from api.patching import strategic_merge
from cli.steer.three_way import three_way


def pod(containers: list[dict[str, Any]], **labels: str) -> dict[str, Any]:
    spec = {"containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": labels}, "spec": spec}


def applied(before: dict[str, Any], wanted: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    patch, form = three_way(before, wanted, there)
    assert form == "strategic"
    return strategic_merge(there, patch, Pod)


def test_what_others_have_set_stays_and_what_was_taken_out_goes() -> None:
    before = pod([{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}], old="1", kept="1")
    there = copy.deepcopy(before)
    there["metadata"]["labels"]["others"] = "1"
    there["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    there["spec"]["containers"].append({"name": "injected", "image": "i"})
    wanted = pod([{"name": "a", "image": "a:2"}], kept="2")
    after = applied(before, wanted, there)
    assert after["metadata"]["labels"] == {"kept": "2", "others": "1"}
    assert after["spec"]["containers"] == [
        {"name": "a", "image": "a:2", "imagePullPolicy": "Always"},
        {"name": "injected", "image": "i"},
    ]


def test_what_is_new_stands_where_it_was_put() -> None:
    before = pod([{"name": "a", "image": "a:1", "env": [{"name": "A", "value": "1"}]}])
    wanted = copy.deepcopy(before)
    wanted["spec"]["containers"][0]["env"].append({"name": "B", "value": "2"})
    wanted["spec"]["containers"].append({"name": "b", "image": "b:1"})
    assert applied(before, wanted, copy.deepcopy(before))["spec"] == wanted["spec"]


def test_nothing_is_patched_where_all_is_as_wanted() -> None:
    wanted = pod([{"name": "a", "image": "a:1"}], app="web")
    there = copy.deepcopy(wanted)
    there["spec"]["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    assert three_way(wanted, wanted, there)[0] == {}


def test_a_kind_that_is_not_known_gets_a_merge_patch() -> None:
    before = {"apiVersion": "x.y/v1", "kind": "Thing", "spec": {"a": 1, "b": 2}}
    wanted = {"apiVersion": "x.y/v1", "kind": "Thing", "spec": {"a": 3, "list": [1]}}
    assert three_way(before, wanted, {**before, "status": {}}) == ({"spec": {"a": 3, "b": None, "list": [1]}}, "merge")

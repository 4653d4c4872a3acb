"""Writes of a status: the wanted state stays byte for byte, and what else they may change keeps its rules."""

import json
from typing import Any

import msgspec
import pytest
from tests_apiserver import Api, Running, pod

from api.core import Pod
from api.resources import resource_of
from master.apiserver.bodies import UNSAID, Expected
from master.apiserver.http.message import Request
from master.apiserver.status_bodies import StatusBodies


@pytest.fixture
def path(admin: Api, namespace: str) -> str:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    wanted = pod("p", nodeName="n1", tolerations=[{"key": "a", "operator": "Exists"}], securityContext={"runAsUser": 7})
    assert admin.post(pods, wanted).status == 201
    return f"{pods}/p"


def spec_bytes(server: Running, path: str) -> bytes:
    """As they are stored."""
    _, _, _, _, namespace, _, name = path.split("/")
    item = server.api.cache.table(resource_of(Pod)).get(namespace, name)
    assert item is not None
    return item.wire[item.wire.index(b'"spec":') : item.wire.index(b'"status":')]


def changed(item: Any, **status: Any) -> Any:
    return {**item, "spec": {"containers": [{"name": "other", "image": "other"}]}, "status": status}


def test_a_status_takes_nothing_of_the_spec_along(admin: Api, server: Running, path: str) -> None:
    before, first = spec_bytes(server, path), admin.get(path).json
    put = admin.put(f"{path}/status", changed(first, phase="Running", message="m"))
    assert put.status == 200, put.data
    for form in ("merge", "strategic-merge"):
        patched = admin.patch(f"{path}/status", {"status": {"podIP": "10.0.0.9"}, "spec": {"hostNetwork": True}}, form)
        assert patched.status == 200, patched.data
    last = admin.get(path).json
    assert spec_bytes(server, path) == before
    assert last["spec"] == first["spec"]
    assert {"phase": "Running", "message": "m", "podIP": "10.0.0.9"}.items() <= last["status"].items()


def test_what_a_status_leaves_out_is_filled_in(admin: Api, path: str) -> None:
    first = admin.get(path).json
    emptied = admin.put(f"{path}/status", changed(first)).json
    assert emptied["status"] == {"phase": "Pending", "qosClass": first["status"]["qosClass"]}


def test_a_container_always_has_a_state_now_and_before(admin: Api, path: str) -> None:
    """Clients look into them without asking, as `status.last_state.terminated` in Python."""
    told = {"name": "main", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    after = admin.patch(f"{path}/status", {"status": {"containerStatuses": [told]}}, "merge").json
    assert after["status"]["containerStatuses"] == [told | {"state": {}, "lastState": {}}]


def test_labels_beside_a_status_keep_their_rules(admin: Api, server: Running, path: str) -> None:
    before = spec_bytes(server, path)
    good = admin.patch(f"{path}/status", {"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Running"}}, "merge")
    assert (good.status, good.json["metadata"]["labels"]["a"]) == (200, "b")
    bad = admin.patch(f"{path}/status", {"metadata": {"labels": {"a": "-b-"}}}, "merge")
    assert (bad.status, bad.json["details"]["causes"][0]["field"]) == (422, "metadata.labels")
    assert spec_bytes(server, path) == before


def test_the_same_status_again_is_no_write(admin: Api, path: str) -> None:
    versions = {
        admin.patch(f"{path}/status", {"status": {"phase": "Running"}}, form).json["metadata"]["resourceVersion"]
        for form in ("merge", "strategic-merge", "merge")
    }
    assert len(versions) == 1
    whole = admin.get(path).json
    assert admin.put(f"{path}/status", whole).json["metadata"]["resourceVersion"] in versions


def test_a_node_keeps_what_it_is_while_it_reports(admin: Api) -> None:
    spec = {"podCIDR": "10.244.9.0/24", "taints": [{"key": "a", "effect": "NoSchedule"}]}
    node = {"metadata": {"name": "reporting"}, "spec": spec}
    first = admin.post("/api/v1/nodes", node).json
    told = admin.patch("/api/v1/nodes/reporting/status", {"status": {"capacity": {"cpu": "2"}}}, "strategic-merge").json
    assert told["spec"] == first["spec"]
    assert told["status"]["capacity"] == told["status"]["allocatable"] == {"cpu": "2"}
    admin.delete("/api/v1/nodes/reporting")


def test_a_spec_said_again_is_not_read_again() -> None:
    bodies, expected = StatusBodies(), Expected(Pod, "v1", "Pod")
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}

    def read(**status: Any) -> Any:
        request = Request("PUT", "/", body=json.dumps({**body, "status": status}).encode())
        found, warnings = bodies.read(request, expected, Pod, validation=UNSAID)
        assert not warnings
        return found

    assert read(phase="Pending").spec.containers[0].name == "c"
    again = read(phase="Running")
    assert isinstance(again.spec, msgspec.Raw)
    assert (again.metadata.name, again.status.phase) == ("p", "Running")


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_wrong_beside_a_known_spec_is_told_each_time(admin: Api, path: str, times: int) -> None:
    first = admin.get(path).json
    del first["metadata"]["resourceVersion"]
    for _ in range(times):
        fine = admin.put(f"{path}/status", changed(first, phase="Running"))
        assert (fine.status, "Warning" in fine.headers) == (200, False)
    unknown = admin.put(f"{path}/status", changed(first, phase="Running", fase="x"))
    assert 'unknown field \\"status.fase\\"' in unknown.headers["Warning"]
    assert admin.put(f"{path}/status", changed(first, phase=7)).status == 400
    another_kind = admin.put(f"{path}/status", {**changed(first), "kind": "Node"})
    assert another_kind.status == 400


def test_what_is_wrong_with_the_spec_of_a_status_is_told_each_time(admin: Api, path: str) -> None:
    first = admin.get(path).json
    del first["metadata"]["resourceVersion"]
    for _ in range(3):
        unknown = admin.put(f"{path}/status", {**first, "spec": {"containerz": []}})
        assert 'unknown field \\"spec.containerz\\"' in unknown.headers["Warning"]
        assert admin.put(f"{path}/status", {**first, "spec": {"containers": 7}}).status == 400
    strict = admin.put(f"{path}/status?fieldValidation=Strict", {**first, "spec": {"containerz": []}})
    assert strict.status == 400


@pytest.mark.parametrize("form", ["merge", "strategic-merge"])
def test_a_patch_with_an_unknown_field_is_warned_of(admin: Api, path: str, form: str) -> None:
    fine = admin.patch(f"{path}/status", {"status": {"phase": "Running", "message": None}}, form)
    assert (fine.status, "Warning" in fine.headers) == (200, False)
    unknown = admin.patch(f"{path}/status", {"status": {"fase": "x"}}, form)
    assert 'unknown field \\"status.fase\\"' in unknown.headers["Warning"]
    assert admin.patch(f"{path}/status?fieldValidation=Strict", {"status": {"fase": "x"}}, form).status == 400

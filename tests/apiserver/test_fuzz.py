"""Whatever a client sends, the answer is a Status or an object: never a 5xx, never a dead connection."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests_apiserver import Api, pod

from master.apiserver import yaml_bodies

FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(
    ["metadata", "spec", "status", "name", "labels", "containers", "ports", "replicas", "$patch", "$retainKeys", "kind"]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)
FORMS = ("json-patch", "merge-patch", "strategic-merge-patch")


@pytest.fixture
def path(admin: Api, namespace: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(path, pod("web"))
    return path


@FEW
@given(body=VALUES)
def test_any_json_as_an_object(admin: Api, path: str, body: Any) -> None:
    assert admin.post(f"{path}?dryRun=All", body).status < 500
    assert admin.put(f"{path}/web?dryRun=All", body).status < 500


@FEW
@given(body=st.binary(max_size=64))
def test_any_bytes_as_an_object(admin: Api, path: str, body: bytes) -> None:
    for media in ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"):
        assert admin.post(f"{path}?dryRun=All", body, Content_Type=media).status < 500


@FEW
@given(patch=VALUES, form=st.sampled_from(FORMS))
def test_any_json_as_a_patch(admin: Api, path: str, patch: Any, form: str) -> None:
    for subresource in ("", "/status"):
        answer = admin.call(
            "PATCH", f"{path}/web{subresource}?dryRun=All", patch, Content_Type=f"application/{form}+json"
        )
        assert answer.status < 500, (patch, answer.data)


@FEW
@given(
    steps=st.lists(
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
                "path": st.sampled_from(
                    ["/metadata/labels", "/spec/containers/0", "/spec/containers/-", "", "/x/y", "/"]
                ),
                "from": st.sampled_from(["/spec", "/metadata/labels/app", ""]),
                "value": VALUES,
            }
        ),
        max_size=4,
    )
)
def test_any_steps_of_a_json_patch(admin: Api, path: str, steps: Any) -> None:
    answer = admin.call("PATCH", f"{path}/web?dryRun=All", steps, Content_Type="application/json-patch+json")
    assert answer.status < 500, (steps, answer.data)


@FEW
@given(text=st.text(alphabet="ab=!,()<> in\t.-/é", max_size=20))
def test_any_selector(admin: Api, path: str, text: str) -> None:
    from urllib.parse import quote

    assert admin.get(f"{path}?labelSelector={quote(text)}").status in (200, 400)
    assert admin.get(f"{path}?fieldSelector={quote(text)}").status in (200, 400)


@pytest.mark.parametrize("depth", [100, 400, 900, 5_000, 200_000])
@pytest.mark.parametrize("form", FORMS)
def test_deep_nesting_is_a_bad_request(admin: Api, path: str, form: str, depth: int) -> None:
    body = b'{"metadata":{"annotations":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}}"
    if form == "json-patch":
        body = b'[{"op":"add","path":"/spec/x","value":' + b"[" * depth + b"]" * depth + b"}]"
    answer = admin.call("PATCH", f"{path}/web", body, Content_Type=f"application/{form}+json")
    assert answer.status in (200, 400, 413, 422), answer.data
    posted = admin.post(f"{path}?dryRun=All", b'{"metadata":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1))
    assert posted.status in (400, 413, 422)


def test_odd_strings_are_stored_or_refused(admin: Api, path: str) -> None:
    configs = path.replace("pods", "configmaps")
    lone = b'{"metadata":{"name":"lone"},"data":{"a":"\\ud800"}}'
    assert admin.post(configs, lone).status < 500
    body = {"metadata": {"name": "odd"}, "data": {"a": "\0\u2028\U0001f6a2"}}
    assert admin.post(configs, body).json["data"] == body["data"]
    assert admin.post(configs, b'{"metadata":{"name":"\xff"}}').status == 400


@FEW
@given(value=st.dictionaries(st.text(min_size=1, max_size=4), VALUES, max_size=4))
def test_yaml_reads_json(value: Any) -> None:
    try:
        read = yaml_bodies.load(json.dumps(value).encode())
    except yaml_bodies.YamlError:
        return
    assert json.dumps(read).count("{") == json.dumps(value).count("{")

"""The OpenAPI documents: valid, whole, kept by their hash, and the same in each of their forms."""

from typing import Any

import pytest
from openapi_spec_validator import validate
from tests_apiserver import Api

from api.protobuf.wire import read_fields

GNOSTIC = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.fixture
def second(admin: Api) -> Any:
    return admin.get("/openapi/v2").json


def test_version_2_is_valid_and_speaks_of_every_resource(admin: Api, second: Any) -> None:
    validate(second)
    for group in ("/api/v1", "/apis/apps/v1", "/apis/events.k8s.io/v1", "/apis/coordination.k8s.io/v1"):
        for resource in admin.get(group).json["resources"]:
            name, _, subresource = resource["name"].partition("/")
            space = "/namespaces/{namespace}" if resource["namespaced"] else ""
            tail = f"/{{name}}/{subresource}" if subresource else ""
            assert f"{group}{space}/{name}{tail}" in second["paths"], resource["name"]


def test_each_version_3_document_is_valid_and_kept_by_its_hash(admin: Api) -> None:
    index = admin.get("/openapi/v3")
    assert admin.get("/openapi/v3", If_None_Match=index.headers["ETag"]).status == 304
    for path, entry in index.json["paths"].items():
        answer = admin.get(entry["serverRelativeURL"])
        assert answer.status == 200, path
        validate(answer.json)
        assert answer.headers["Cache-Control"] == "public, immutable"
        assert "GMT" in answer.headers["Expires"]
        assert admin.get(f"/openapi/v3/{path}").headers["Cache-Control"] == "no-cache, private"


def test_an_old_hash_leads_to_the_present_document(admin: Api) -> None:
    present = admin.get("/openapi/v3").json["paths"]["apis/apps/v1"]["serverRelativeURL"]
    answer = admin.pool.request("GET", f"{admin.url}/openapi/v3/apis/apps/v1?hash=0123", redirect=False)
    assert answer.status == 301
    assert answer.headers["Location"] == present
    assert admin.get("/openapi/v3/apis/nope/v1").status == 404


def test_merge_keys_agree_in_both_versions(admin: Api, second: Any) -> None:
    third = admin.get("/openapi/v3/apis/apps/v1").json["components"]["schemas"]
    name = "io.k8s.api.core.v1.PodSpec"
    for field in ("containers", "volumes", "tolerations", "imagePullSecrets"):
        ours = {key: value for key, value in third[name]["properties"][field].items() if key.startswith("x-")}
        assert ours == {
            key: value
            for key, value in second["definitions"][name]["properties"][field].items()
            if key.startswith("x-")
        }
    strategy = third["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]
    assert strategy["x-kubernetes-patch-strategy"] == "retainKeys"


def test_writes_name_their_parameters_and_forms(admin: Api) -> None:
    paths = admin.get("/openapi/v3/apis/apps/v1").json["paths"]
    item = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert {"fieldValidation", "dryRun", "force", "fieldManager"} <= {
        one["name"] for one in item["patch"]["parameters"]
    }
    assert "application/strategic-merge-patch+json" in item["patch"]["requestBody"]["content"]
    assert {"propagationPolicy", "gracePeriodSeconds"} <= {one["name"] for one in item["delete"]["parameters"]}
    assert {"application/json", "application/yaml"} <= item["get"]["responses"]["200"]["content"].keys()
    listing = paths["/apis/apps/v1/deployments"]["get"]
    assert {"limit", "continue", "watch", "labelSelector"} <= {one["name"] for one in listing["parameters"]}
    scale = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"]
    assert scale["x-kubernetes-group-version-kind"] == {"group": "autoscaling", "kind": "Scale", "version": "v1"}


def test_the_protobuf_form_of_version_2_says_the_same(admin: Api, second: Any) -> None:
    answer = admin.get("/openapi/v2", Accept=GNOSTIC)
    assert answer.headers["Content-Type"] == GNOSTIC.replace("@", ".")
    assert admin.get("/openapi/v2", Accept=GNOSTIC, If_None_Match=answer.headers["ETag"]).status == 304
    document = _fields(answer.data)
    assert _text(document[1]) == "2.0"
    paths = {_text(_fields(pair)[1]): _fields(pair)[2] for pair in _all(document[8][0], 2)}
    assert paths.keys() == second["paths"].keys()
    schemas = {_text(_fields(pair)[1]): _fields(pair)[2] for pair in _all(document[9][0], 1)}
    assert schemas.keys() == second["definitions"].keys()
    path = "/api/v1/namespaces/{namespace}/pods/{name}"
    operation = _fields(_fields(paths[path][0])[8][0])
    assert _text(operation[5]) == second["paths"][path]["patch"]["operationId"]
    keys = {_text(_fields(pair)[1]) for pair in _all(document[13][0], 1)}
    assert keys == second["securityDefinitions"].keys()


def _fields(data: Any) -> dict[int, list[Any]]:
    """The values of a message by field number."""
    found: dict[int, list[Any]] = {}
    for number, value in read_fields(memoryview(data[0] if isinstance(data, list) else data)):
        found.setdefault(number, []).append(value)
    return found


def _all(data: Any, number: int) -> list[Any]:
    return _fields(data).get(number, [])


def _text(values: list[Any]) -> str:
    return bytes(values[0]).decode()


def test_it_is_told_what_apply_merges_and_what_it_replaces(second: Any) -> None:
    core = {name.removeprefix("io.k8s.api.core.v1."): one for name, one in second["definitions"].items()}
    container = core["Container"]["properties"]
    assert container["ports"]["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]
    assert container["env"]["x-kubernetes-list-map-keys"] == ["name"]
    assert container["args"]["x-kubernetes-list-type"] == "atomic"
    assert "x-kubernetes-list-type" not in core["PodSpec"]["properties"]["nodeSelector"]
    assert core["NodeSelector"]["x-kubernetes-map-type"] == "atomic"
    assert "x-kubernetes-map-type" not in core["PodSpec"]


@pytest.mark.parametrize(
    ("subresource", "names"),
    [
        ("exec", {"command", "container", "stderr", "stdin", "stdout", "tty"}),
        ("attach", {"container", "stderr", "stdin", "stdout", "tty"}),
        ("portforward", {"ports"}),
        ("proxy", {"path"}),
    ],
)
def test_what_is_asked_of_those_who_connect_is_told(admin: Api, subresource: str, names: set[str]) -> None:
    paths = admin.get("/openapi/v2").json["paths"]
    operation = paths[f"/api/v1/namespaces/{{namespace}}/pods/{{name}}/{subresource}"]["get"]
    assert {one["name"] for one in operation["parameters"]} == names


def test_the_newer_form_of_an_event_has_a_series_of_its_own(second: Any) -> None:
    kinds = second["definitions"]
    newer, core = kinds["io.k8s.api.events.v1.EventSeries"], kinds["io.k8s.api.core.v1.EventSeries"]
    assert newer["properties"].keys() == core["properties"].keys()
    assert (newer["required"], "required" in core) == (["count", "lastObservedTime"], False)


def test_the_operators_of_nodes_are_listed(second: Any) -> None:
    told = second["definitions"]["io.k8s.api.core.v1.NodeSelectorRequirement"]
    assert told["properties"]["operator"]["enum"] == ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    assert told["required"] == ["key", "operator"]

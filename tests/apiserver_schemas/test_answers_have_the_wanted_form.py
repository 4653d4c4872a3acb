"""Content negotiation: protobuf, YAML, JSON; objects, lists, watches, metadata and refusals."""

import json
from typing import Any

import pytest
import yaml
from tests_apiserver import Api, pod

from api import protobuf
from api.apps import Deployment
from api.core import Pod
from api.meta import Object, Status
from api.protobuf.wire import read_fields

PROTOBUF = "application/vnd.kubernetes.protobuf"
METADATA = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@pytest.fixture
def pods(admin: Api, namespace: str) -> str:
    """The path of a collection with two pods."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    for name in ("a", "b"):
        assert admin.post(path, pod(name)).status == 201
    return path


def _parts(raw: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for number, value in read_fields(memoryview(raw)):
        found.setdefault(number, []).append(bytes(value) if isinstance(value, memoryview) else b"")
    return found


def test_an_object_in_protobuf_is_the_object(admin: Api, pods: str) -> None:
    answer = admin.get(f"{pods}/a", Accept=f"{PROTOBUF},application/json")
    assert answer.headers["Content-Type"] == PROTOBUF
    api_version, kind, raw = protobuf.unwrap(answer.data)
    assert (api_version, kind) == ("v1", "Pod")
    plain = protobuf.decode(raw, Pod)
    assert plain["metadata"]["name"] == "a"
    assert plain["metadata"]["resourceVersion"] == admin.get(f"{pods}/a").json["metadata"]["resourceVersion"]
    assert plain["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_a_list_in_protobuf_has_its_version_and_items(admin: Api, pods: str) -> None:
    api_version, kind, raw = protobuf.unwrap(admin.get(pods, Accept=PROTOBUF).data)
    assert (api_version, kind) == ("v1", "PodList")
    parts = _parts(raw)
    assert [protobuf.decode(item, Pod)["metadata"]["name"] for item in parts[2]] == ["a", "b"]
    assert int(_parts(parts[1][0])[2][0]) > 0


def test_a_long_list_is_json_where_that_will_do(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for number in range(501):
        assert admin.post(path, {"metadata": {"name": f"c{number}"}}).status == 201
    assert admin.get(path, Accept=f"{PROTOBUF},application/json").json["kind"] == "ConfigMapList"
    assert admin.get(path, Accept=PROTOBUF).headers["Content-Type"] == PROTOBUF
    short = admin.get(f"{path}?limit=5", Accept=f"{PROTOBUF},application/json")
    assert short.headers["Content-Type"] == PROTOBUF


def test_what_is_written_in_protobuf_is_answered_in_it(admin: Api, namespace: str) -> None:
    sent = Deployment(api_version="apps/v1", kind="Deployment")
    sent.metadata.name = "web"
    body = protobuf.encode(sent, "apps/v1", "Deployment")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    refused = admin.call("POST", path, body, Content_Type=PROTOBUF, Accept=f"{PROTOBUF},application/json")
    assert refused.status == 422
    assert refused.headers["Content-Type"] == PROTOBUF
    _, kind, raw = protobuf.unwrap(refused.data)
    assert kind == "Status"
    told = protobuf.decode(raw, Status)
    assert told["reason"] == "Invalid"
    assert {cause["field"] for cause in told["details"]["causes"]} == {"spec.selector", "spec.template"}


def _frames(data: bytes) -> list[tuple[str, bytes]]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        event = _parts(data[4 : 4 + size])
        found.append((event[1][0].decode(), _parts(event[2][0])[1][0]))
        data = data[4 + size :]
    return found


def test_a_watch_in_protobuf_is_framed(admin: Api, pods: str) -> None:
    query = "watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    answer = admin.get(f"{pods}?{query}", Accept=f"{PROTOBUF};stream=watch")
    assert answer.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
    events = _frames(answer.data)
    assert [kind for kind, _ in events] == ["ADDED", "ADDED", "BOOKMARK"]
    names = [protobuf.decode(protobuf.unwrap(body)[2], Pod)["metadata"].get("name", "") for _, body in events]
    assert names == ["a", "b", ""]
    mark = protobuf.decode(protobuf.unwrap(events[2][1])[2], Pod)["metadata"]
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_yaml_is_answered_where_it_is_wanted(admin: Api, pods: str) -> None:
    answer = admin.get(f"{pods}/a", Accept="application/yaml")
    assert answer.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(answer.data) == admin.get(f"{pods}/a").json
    missing = admin.get(f"{pods}/nope", Accept="application/yaml")
    assert missing.status == 404
    assert yaml.safe_load(missing.data)["reason"] == "NotFound"
    assert admin.get(f"{pods}?watch=1", Accept="application/yaml").status == 406


@pytest.mark.parametrize("media", ["application/json", "application/yaml", PROTOBUF])
def test_metadata_alone_of_an_object_and_a_list(admin: Api, pods: str, media: str) -> None:
    one = admin.get(f"{pods}/a", Accept=f"{media};{METADATA}")
    many = admin.get(pods, Accept=f"{media};{METADATA_LIST}")
    if media == PROTOBUF:
        version, kind, raw = protobuf.unwrap(one.data)
        assert (version, kind) == ("meta.k8s.io/v1", "PartialObjectMetadata")
        assert protobuf.decode(raw, Object)["metadata"]["name"] == "a"
        _, kind, raw = protobuf.unwrap(many.data)
        assert (kind, len(_parts(raw)[2])) == ("PartialObjectMetadataList", 2)
        return
    shown: Any = yaml.safe_load(one.data)
    assert (shown["kind"], shown["metadata"]["name"]) == ("PartialObjectMetadata", "a")
    assert "spec" not in shown
    assert [item["metadata"]["name"] for item in yaml.safe_load(many.data)["items"]] == ["a", "b"]


def test_metadata_of_one_object_is_no_form_of_a_list(admin: Api, pods: str) -> None:
    as_one, as_list = (f"application/json;{form},application/json" for form in (METADATA, METADATA_LIST))
    many = admin.get(pods, Accept=as_one)
    assert (many.status, many.json["reason"]) == (406, "NotAcceptable")
    assert many.json["message"].endswith("PartialObjectMetadata, but the requested object is a list (*core.PodList)")
    one = admin.get(f"{pods}/a", Accept=as_list)
    assert one.status == 406
    assert one.json["message"].endswith("but the requested object is not a list (*core.Pod)")
    assert admin.get(f"{pods}?watch=1", Accept=as_list).status == 406
    assert admin.call("DELETE", pods, Accept=as_one).status == 406
    assert len(admin.get(pods).json["items"]) == 2, "what is refused is not done"
    for accept in ("application/*", "application/json;g=meta.k8s.io", "application/json;v=v1"):
        assert admin.get(pods, Accept=accept).status == 406, accept
        assert admin.get(pods, Accept=f"{accept},application/json").status == 200, accept


def test_metadata_alone_in_a_watch(admin: Api, pods: str) -> None:
    answer = admin.get(f"{pods}?watch=1&timeoutSeconds=1", Accept=f"application/json;{METADATA}")
    events = [json.loads(line) for line in answer.data.splitlines()]
    assert [event["object"]["kind"] for event in events] == ["PartialObjectMetadata"] * 2
    assert "spec" not in events[0]["object"]


def test_a_table_is_never_protobuf(admin: Api, pods: str) -> None:
    table = "as=Table;g=meta.k8s.io;v=v1"
    assert admin.get(pods, Accept=f"{PROTOBUF};{table}").status == 406
    both = admin.get(pods, Accept=f"{PROTOBUF};{table},application/json;{table}")
    assert both.json["kind"] == "Table"


def test_what_nobody_can_read_is_refused_in_json(admin: Api, pods: str) -> None:
    refused = admin.get(pods, Accept="image/png")
    assert (refused.status, refused.json["reason"]) == (406, "NotAcceptable")
    assert PROTOBUF in refused.json["message"]
    assert admin.call("POST", pods, b"x", Content_Type="image/png").status == 415
    assert admin.get(pods, Accept="image/png,*/*;q=0.1").status == 200


def test_json_is_indented_for_people(admin: Api, pods: str) -> None:
    assert b"\n" not in admin.get(f"{pods}/a").data
    assert b'\n  "kind"' in admin.get(f"{pods}/a?pretty=true").data
    assert b'\n  "kind"' in admin.get(f"{pods}/a", User_Agent="curl/8").data
    assert b"\n" not in admin.get(f"{pods}/a?pretty=false", User_Agent="curl/8").data
    assert b"\n" in admin.get(f"{pods}/nope?pretty=1").data

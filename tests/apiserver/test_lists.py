"""Lists: selectors, pieces, versions, and the forms they can be had in."""

import base64
import json

from tests_apiserver import Api, Running, pod


def _fill(admin: Api, namespace: str, names: list[str]) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods"
    for name in names:
        assert admin.post(path, pod(name)).status == 201
    return path


def _names(admin: Api, path: str) -> list[str]:
    answer = admin.get(path)
    assert answer.status == 200, answer.data
    return [item["metadata"]["name"] for item in answer.json["items"]]


def test_a_list_is_sorted_and_says_what_it_is(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["b", "a", "c"])
    answer = admin.get(path).json
    assert (answer["kind"], answer["apiVersion"]) == ("PodList", "v1")
    assert int(answer["metadata"]["resourceVersion"]) > 0
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "b", "c"]
    assert namespace in {item["metadata"]["namespace"] for item in admin.get("/api/v1/pods").json["items"]}


def test_namespaces_whose_names_begin_alike_are_kept_apart(admin: Api, namespace: str) -> None:
    longer = f"{namespace}-b"
    admin.post("/api/v1/namespaces", {"metadata": {"name": longer}})
    _fill(admin, longer, ["x"])
    assert _names(admin, f"/api/v1/namespaces/{namespace}/pods") == []


def test_selectors_of_both_forms_pick_by_label(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a", "b", "c"])
    assert _names(admin, f"{path}?labelSelector=app%3Da") == ["a"]
    assert _names(admin, f"{path}?labelSelector=app!%3Da") == ["b", "c"]
    assert _names(admin, f"{path}?labelSelector=app%20in%20(a,c),app") == ["a", "c"]
    assert _names(admin, f"{path}?labelSelector=!app") == []


def test_fields_pick_too(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a", "b"])
    admin.post(path, pod("on-n1", nodeName="n1"))
    assert _names(admin, f"{path}?fieldSelector=spec.nodeName%3Dn1") == ["on-n1"]
    assert _names(admin, f"{path}?fieldSelector=spec.nodeName%3D,metadata.name!%3Da") == ["b"]
    assert _names(admin, f"{path}?fieldSelector=status.phase%3DPending&labelSelector=app%3Da") == ["a"]


def test_a_long_list_is_the_same_however_it_is_asked_for(admin: Api, namespace: str) -> None:
    """As bytes it is sent while it is joined, where nobody wants it compressed or indented."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for n in range(100):
        assert admin.post(path, {"metadata": {"name": f"c{n:03}"}, "data": {"a": "b" * 2000}}).status == 201
    plain, indented = admin.get(path), admin.get(f"{path}?pretty=true")
    packed = admin.get(path, Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(plain.data) == int(plain.headers["content-length"]) > 200_000
    assert plain.json == indented.json == packed.json
    assert [item["metadata"]["name"] for item in plain.json["items"]] == [f"c{n:03}" for n in range(100)]


def test_nothing_on_the_way_keeps_an_answer(admin: Api, namespace: str) -> None:
    """What one client may see, another one may not."""
    admin.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "a"}})
    for path in ("", "/a", "/a", "/none", "?limit=x", "?watch=1&timeoutSeconds=1"):
        answer = admin.get(f"/api/v1/namespaces/{namespace}/configmaps{path}")
        assert answer.headers["Cache-Control"] == "no-cache, private", path


def test_a_list_comes_in_pieces(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a", "b", "c", "d", "e"])
    first = admin.get(f"{path}?limit=2").json
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 3
    _fill(admin, namespace, ["f"])
    second = admin.get(f"{path}?limit=10&continue={first['metadata']['continue']}").json
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d", "e"]
    assert "continue" not in second["metadata"]
    # A watch from here must show what changed between the pieces.
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_pieces_of_a_selection_end_where_nothing_more_is_picked(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a", "b", "c"])
    first = admin.get(f"{path}?limit=1&labelSelector=app%20in%20(a,b)").json["metadata"]
    assert "remainingItemCount" not in first
    assert _names(admin, f"{path}?limit=5&labelSelector=app%20in%20(a,b)&continue={first['continue']}") == ["b"]


def test_a_token_of_another_resource_or_of_long_ago_is_refused(server: Running, admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a", "b"])
    token = admin.get(f"{path}?limit=1").json["metadata"]["continue"]
    assert admin.get(f"/api/v1/services?limit=1&continue={token}").status == 400
    said = {"v": "meta.k8s.io/v1", "rv": 0, "start": f"/pods/{namespace}/a"}
    old = base64.urlsafe_b64encode(json.dumps(said).encode()).decode()
    table = next(table for table in server.api.cache if table.resource.plural == "pods")
    table.replay_from, before = 5, table.replay_from
    try:
        expired = admin.get(f"{path}?limit=1&continue={old}")
    finally:
        table.replay_from = before
    assert (expired.status, expired.json["reason"]) == (410, "Expired")
    assert _names(admin, f"{path}?limit=1&continue={expired.json['metadata']['continue']}") == ["b"]


def test_versions_of_a_list(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a"])
    now = int(admin.get(path).json["metadata"]["resourceVersion"])
    assert _names(admin, f"{path}?resourceVersion=0") == ["a"]
    assert _names(admin, f"{path}?resourceVersion={now}&resourceVersionMatch=Exact") == ["a"]
    assert _names(admin, f"{path}?resourceVersion=1&resourceVersionMatch=NotOlderThan") == ["a"]
    assert _names(admin, f"{path}?resourceVersion=1&resourceVersionMatch=Exact") == []
    admin.post(path, pod("later"))
    assert _names(admin, f"{path}?resourceVersion={now}&limit=5") == ["a"]
    assert _names(admin, f"{path}?resourceVersion={now}") == ["a", "later"]
    future = admin.get(f"{path}?resourceVersion={now + 1000}")
    assert future.status == 504
    assert future.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert admin.get(f"{path}?resourceVersionMatch=Exact").status == 422


def test_any_version_comes_in_one_piece(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a", "b", "c"])
    whole = admin.get(f"{path}?limit=2&resourceVersion=0").json
    assert [item["metadata"]["name"] for item in whole["items"]] == ["a", "b", "c"]
    assert "continue" not in whole["metadata"]
    token = admin.get(f"{path}?limit=1").json["metadata"]["continue"]
    assert _names(admin, f"{path}?limit=1&resourceVersion=0&continue={token}") == ["b"]


def test_metadata_alone_yaml_and_indented_json(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a"])
    partial = admin.get(path, Accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").json
    assert partial["kind"] == "PartialObjectMetadataList"
    assert partial["items"][0]["kind"] == "PartialObjectMetadata"
    assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}
    one = admin.get(f"{path}/a", Accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").json
    assert one["metadata"]["name"] == "a"
    yaml = admin.get(f"{path}/a", Accept="application/yaml")
    assert yaml.headers["Content-Type"] == "application/yaml"
    assert b"kind: Pod\n" in yaml.data
    assert b'\n  "kind": "Pod"' in admin.get(f"{path}/a?pretty=true").data


def test_a_table_is_answered_where_it_is_asked_for(admin: Api, namespace: str) -> None:
    path = _fill(admin, namespace, ["a"])
    wanted = ",".join(f"application/json;as=Table;v={v};g=meta.k8s.io" for v in ("v1", "v1beta1")) + ",application/json"
    table = admin.get(path, Accept=wanted).json
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]][:5] == [
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
    ]
    assert table["rows"][0]["cells"][:4] == ["a", "0/1", "Pending", "0"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    full = admin.get(f"{path}?includeObject=Object", Accept=wanted).json
    assert full["rows"][0]["object"]["kind"] == "Pod"
    assert "object" not in admin.get(f"{path}/a?includeObject=None", Accept=wanted).json["rows"][0]

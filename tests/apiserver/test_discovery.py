"""What clients ask before anything else: groups, resources, schemas, version, health, metrics."""

from typing import Any

import pytest
from tests_apiserver import Api, Running

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_plain_discovery_names_everything(admin: Api) -> None:
    assert admin.get("/api").json["versions"] == ["v1"]
    groups = [group["name"] for group in admin.get("/apis").json["groups"]]
    assert {"coordination.k8s.io", "discovery.k8s.io"} <= set(groups)
    assert admin.get("/apis/coordination.k8s.io").json["preferredVersion"]["version"] == "v1"
    core = {item["name"]: item for item in admin.get("/api/v1").json["resources"]}
    pods = core["pods"]
    assert (pods["singularName"], pods["shortNames"], pods["categories"]) == ("pod", ["po"], ["all"])
    assert pods["verbs"] == ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    scale = core["replicationcontrollers/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert core["pods/binding"]["kind"] == "Binding"
    assert core["nodes"]["namespaced"] is False
    assert admin.get("/apis/coordination.k8s.io/v1").json["groupVersion"] == "coordination.k8s.io/v1"
    assert admin.get("/apis/nope/v1").status == 404


def test_aggregated_discovery_comes_with_an_etag(admin: Api) -> None:
    accept = f"{AGGREGATED},application/json"
    answer = admin.get("/apis", Accept=accept)
    assert answer.headers["Content-Type"] == AGGREGATED
    assert answer.json["kind"] == "APIGroupDiscoveryList"
    assert admin.get("/apis", Accept=accept, If_None_Match=answer.headers["ETag"]).status == 304
    core = admin.get("/api", Accept=accept).json["items"][0]["versions"][0]
    rc = next(item for item in core["resources"] if item["resource"] == "replicationcontrollers")
    assert (rc["scope"], rc["singularResource"], rc["shortNames"]) == (
        "Namespaced",
        "replicationcontroller",
        ["rc"],
    )
    scale = next(item for item in rc["subresources"] if item["subresource"] == "scale")
    assert scale["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (
        admin.get("/apis", Accept="application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList").status == 406
    )


@pytest.mark.parametrize("path", ["/version", "/api", "/api/v1", "/apis/apps/v1"])
def test_who_takes_no_json_is_told_so(admin: Api, path: str) -> None:
    for accept in ("text/html", "application/*", "application/xml, text/*", "application/vnd.kubernetes.protobuf"):
        refused = admin.get(path, Accept=accept)
        assert refused.status == 406, accept
    refused = admin.get(path, Accept="text/html")
    assert (refused.json["reason"], refused.json["message"]) == ("NotAcceptable", "406: Not Acceptable")
    for accept in ("*/*", "text/html, application/json;q=0.5", "application/json;charset=utf-8"):
        assert admin.get(path, Accept=accept).status == 200, accept


def test_the_schema_says_what_kubectl_reads_of_it(admin: Api) -> None:
    index = admin.get("/openapi/v3").json["paths"]
    address = index["api/v1"]["serverRelativeURL"]
    answer = admin.get(address)
    assert "immutable" in answer.headers["Cache-Control"]
    document = answer.json
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}
    assert patch["x-kubernetes-action"] == "patch"
    assert {"fieldValidation", "dryRun", "force"} <= {parameter["name"] for parameter in patch["parameters"]}
    schemas = document["components"]["schemas"]
    spec = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]
    assert spec["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert spec["containers"]["x-kubernetes-patch-strategy"] == "merge"
    assert spec["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert spec["containers"]["description"]
    assert schemas["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "kind": "Pod", "version": "v1"}
    ]


def test_every_reference_of_the_schemas_leads_somewhere(admin: Api) -> None:
    documents = [admin.get(f"/openapi/v3/{path}").json for path in admin.get("/openapi/v3").json["paths"]]
    for document in documents:
        names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert _references(document) <= names
    second = admin.get("/openapi/v2").json
    assert second["swagger"] == "2.0"
    assert _references(second) <= {f"#/definitions/{name}" for name in second["definitions"]}


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(_references(item) for item in value))
    return set()


def test_version_and_health(server: Running, admin: Api) -> None:
    version = admin.get("/version").json
    assert (version["major"], version["minor"]) == ("1", "32")
    assert version["gitVersion"].startswith("v1.32.0+steersman.")
    assert admin.get("/readyz").data == b"ok"
    verbose = admin.get("/readyz?verbose").data.decode()
    assert verbose == "[+]ping ok\n[+]etcd ok\n[+]serving ok\nreadyz check passed\n"
    told = admin.get("/readyz?verbose&exclude=etcd&exclude=none").data.decode()
    assert "[+]etcd excluded: ok\n" in told
    assert 'warn: some health checks cannot be excluded: no matches for "none"\n' in told
    assert admin.delete("/api/v1/namespaces").status == 405, "not all at once"
    assert admin.get("/readyz/nope").status == 404
    server.api._state = "stopping"
    try:
        failing = admin.get("/readyz")
        assert (failing.status, admin.get("/livez").status) == (500, 200)
        assert "[-]serving failed: stopping" in failing.data.decode()
    finally:
        server.api._state = ""


def test_requests_are_counted(admin: Api, namespace: str) -> None:
    admin.get(f"/api/v1/namespaces/{namespace}/pods/nope")
    text = admin.get("/metrics").data.decode()
    labels = 'verb="GET",group="",version="v1",resource="pods",subresource="",scope="resource"'
    start = f'apiserver_request_total{{{labels},dry_run="",component="apiserver",code="404"}}'
    line = next(line for line in text.splitlines() if line.startswith(start))
    assert int(line.rpartition(" ")[2]) >= 1
    assert f'apiserver_request_sli_duration_seconds_bucket{{{labels},component="apiserver",le="+Inf"}}' in text
    assert 'apiserver_storage_objects{resource="namespaces"}' in text
    assert 'apiserver_current_inflight_requests{request_kind="mutating"} 0' in text
    assert "process_resident_memory_bytes" in text


def test_what_is_only_tried_is_counted_apart(admin: Api, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets/nope"

    def counts(start: str) -> int:
        lines = admin.get("/metrics").data.decode().splitlines()
        return sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    labels = '{verb="DELETE",group="apps",version="v1",resource="replicasets",subresource="",scope="resource"'
    wanted = {f'_request_total{labels},dry_run="{value}"': 1 for value in ("", "All", "invalid")}
    wanted |= {f'_request_duration_seconds_count{labels},dry_run="{value}"': 1 for value in ("", "All", "invalid")}
    # Kubernetes counts both together here.
    wanted |= {f"_request_sli_duration_seconds_count{labels},component": 3}
    before = {start: counts(f"apiserver{start}") for start in wanted}
    for query in ("", "?dryRun=All", "?dryRun=x"):
        admin.delete(path + query)
    assert {start: counts(f"apiserver{start}") - count for start, count in before.items()} == wanted
    names = [line.partition(" ")[0] for line in admin.get("/metrics").data.decode().splitlines() if line[:1] != "#"]
    assert len(names) == len(set(names))


def test_a_group_has_all_its_versions_with_the_stable_one_first(admin: Api) -> None:
    policy = [{"groupVersion": f"policy/{version}", "version": version} for version in ("v1", "v1beta1")]
    group = admin.get("/apis/policy").json
    assert (group["versions"], group["preferredVersion"]) == (policy, policy[0])
    groups = admin.get("/apis").json["groups"]
    assert [one["versions"] for one in groups if one["name"] == "policy"] == [policy]
    items = admin.get("/apis", Accept=AGGREGATED).json["items"]
    [found] = [one["versions"] for one in items if one["metadata"]["name"] == "policy"]
    assert [version["version"] for version in found] == ["v1", "v1beta1"]

"""Kinds that nobody of ours acts on, and that Kubernetes' own scheduler and controllers ask for."""

from typing import Any

import pytest
from tests_apiserver import Api, pod


def _set(name: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(name)["spec"]}
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def test_a_stateful_set_is_completed_and_scaled(admin: Api, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    made = admin.post(path, _set("db", serviceName="db", volumeClaimTemplates=[claim])).json
    assert made["spec"]["replicas"] == 1
    assert made["spec"]["podManagementPolicy"] == "OrderedReady"
    assert made["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert made["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem"
    assert admin.patch(f"{path}/db/scale", {"spec": {"replicas": 3}}, "merge").json["spec"]["replicas"] == 3
    refused = admin.patch(f"{path}/db", {"spec": {"serviceName": "other"}}, "merge")
    assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (422, "spec")
    table = admin.get(path, Accept="application/json;as=Table;g=meta.k8s.io;v=v1").json
    assert table["rows"][0]["cells"][:2] == ["db", "0/3"]


def test_a_daemon_set_is_completed(admin: Api, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
    made = admin.post(path, _set("logs")).json
    assert made["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert made["spec"]["revisionHistoryLimit"] == 10
    assert _template_generation(made) == "1"
    patched = admin.patch(f"{path}/logs", {"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}, "merge").json
    assert _template_generation(patched) == "2"
    assert _template_generation(admin.patch(f"{path}/logs", {"spec": {"minReadySeconds": 9}}, "merge").json) == "2"
    bad = _set("other")
    bad["spec"]["selector"]["matchLabels"] = {"app": "none"}
    causes = admin.post(path, bad).json["details"]["causes"]
    assert [cause["field"] for cause in causes] == ["spec.template.metadata.labels"]


def _template_generation(daemon_set: dict[str, Any]) -> str:
    return str(daemon_set["metadata"]["annotations"]["deprecated.daemonset.template.generation"])


def test_what_is_empty_is_there_where_clients_read_it(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    node = admin.post("/api/v1/nodes", {"metadata": {"name": f"bare-{namespace}"}}).json
    admin.delete(f"/api/v1/nodes/bare-{namespace}")
    assert node["status"]["nodeInfo"]["kubeletVersion"] == ""
    assert node["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    limits = admin.post(f"{path}/limitranges", {}).json
    assert len(limits["metadata"]["name"]) == 36
    assert limits["spec"] == {"limits": []}
    event = {"metadata": {"name": "A_b"}, "involvedObject": {"namespace": namespace}}
    assert admin.post(f"{path}/events", event).json["reportingComponent"] == ""
    role = admin.post(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles", {"metadata": {"name": "r"}})
    assert role.json["rules"] == []


def test_a_budget_is_one_in_both_of_its_versions(admin: Api, namespace: str) -> None:
    newer = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    older = f"/apis/policy/v1beta1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}
    assert admin.post(older, {"metadata": {"name": "web"}, "spec": spec}).status == 201
    found = admin.get(f"{newer}/web").json
    assert (found["apiVersion"], found["spec"]) == ("policy/v1", spec)
    told = admin.patch(f"{newer}/web/status", {"status": {"disruptionsAllowed": 2}}, "merge")
    assert told.status == 200
    seen = admin.get(older).json["items"][0]
    assert (seen["apiVersion"], seen["status"]["disruptionsAllowed"]) == ("policy/v1beta1", 2)
    assert admin.delete(f"{older}/web").status == 200
    assert admin.get(f"{newer}/web").status == 404


def test_an_empty_selector_picks_nothing_in_the_older_version(admin: Api, namespace: str) -> None:
    path = f"/apis/policy/{{}}/namespaces/{namespace}/poddisruptionbudgets"
    made = admin.post(path.format("v1beta1"), {"metadata": {"name": "none"}, "spec": {"selector": {}}})
    assert made.status == 201
    assert "selector" not in admin.get(path.format("v1") + "/none").json["spec"]
    admin.post(path.format("v1"), {"metadata": {"name": "all"}, "spec": {"selector": {}}})
    assert admin.get(path.format("v1") + "/all").json["spec"]["selector"] == {}


def test_faults_of_a_budget_are_named(admin: Api, namespace: str) -> None:
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    both = admin.post(path, {"metadata": {"name": "x"}, "spec": {"minAvailable": 1, "maxUnavailable": "x"}})
    causes = {cause["field"]: cause["message"] for cause in both.json["details"]["causes"]}
    assert "minAvailable and maxUnavailable cannot be both set" in causes["spec"]
    assert "a valid percent string" in causes["spec.maxUnavailable"]


_CLASS = {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
_DRIVER = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "requiresRepublish": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "volumeLifecycleModes": ["Persistent"],
}


@pytest.mark.parametrize(
    ("plural", "document", "filled"),
    [
        ("storageclasses", {"provisioner": "example.com/disk"}, _CLASS),
        ("csinodes", {"spec": {"drivers": [{"name": "d", "nodeID": "n"}]}}, {}),
        ("csidrivers", {"spec": {}}, {"spec": _DRIVER}),
    ],
)
def test_kinds_of_storage_are_kept(admin: Api, namespace: str, plural: str, document: Any, filled: Any) -> None:
    path = f"/apis/storage.k8s.io/v1/{plural}"
    made = admin.post(path, {"metadata": {"name": namespace}, **document})
    assert made.status == 201, made.data
    assert made.json | filled == made.json
    table = admin.get(f"{path}/{namespace}", Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    assert table.json["rows"][0]["cells"][0] == namespace
    assert admin.delete(f"{path}/{namespace}").status == 200

"""Deployments, templates, storage, component statuses, newer events, evictions, ephemeral containers."""

from typing import Any

import pytest
from tests_apiserver import Api, pod

from tests.e2e.waiting import until


def _deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(name)["spec"]}
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def _causes(answer: Any) -> dict[str, str]:
    assert answer.status == 422, answer.data
    return {cause["field"]: cause["message"] for cause in answer.json["details"]["causes"]}


def test_a_deployment_is_completed_and_has_a_status_and_a_scale(admin: Api, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    made = admin.post(path, {**_deployment(), "status": {"replicas": 7}}).json
    spec = made["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert made.get("status", {}) == {}
    assert admin.get(f"{path}/web/scale").json["status"]["selector"] == "app=web"
    assert admin.patch(f"{path}/web/scale", {"spec": {"replicas": 4}}, "merge").status == 200
    told = admin.patch(f"{path}/web/status", {"status": {"replicas": 4, "observedGeneration": 2}}, "merge").json
    assert told["status"] == {"observedGeneration": 2, "replicas": 4}
    assert told["metadata"]["generation"] == 2
    noted = admin.patch(f"{path}/web", {"metadata": {"annotations": {"a": "b"}}}, "merge").json
    assert noted["metadata"]["generation"] == 3


def test_a_strategy_that_changes_loses_what_belonged_to_the_old_one(admin: Api, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    admin.post(path, _deployment())
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert admin.patch(f"{path}/web", patch).json["spec"]["strategy"] == {"type": "Recreate"}
    both = {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1}}}}
    causes = _causes(admin.patch(f"{path}/web", both, "merge"))
    assert causes["spec.strategy.rollingUpdate"] == (
        "Forbidden: may not be specified when strategy `type` is 'Recreate'"
    )


def test_faults_of_a_deployment_are_named(admin: Api, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert _causes(admin.post(path, {"metadata": {"name": "web"}})) == {
        "spec.selector": "Required value",
        "spec.template": "Required value",
    }
    rolling = {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}}
    causes = _causes(admin.post(path, _deployment(**rolling)))
    assert causes["spec.strategy.rollingUpdate.maxUnavailable"] == (
        "Invalid value: 0: may not be 0 when `maxSurge` is 0"
    )
    odd = {"strategy": {"rollingUpdate": {"maxSurge": "ten"}}}
    assert (
        "a valid percent string"
        in _causes(admin.post(path, _deployment(**odd)))["spec.strategy.rollingUpdate.maxSurge"]
    )
    term = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "a", "operator": "In"}]}
    causes = _causes(admin.post(path, _deployment(selector=term)))
    assert causes["spec.selector.matchExpressions[0].values"].startswith("Required value")
    assert "empty selector is invalid" in _causes(admin.post(path, _deployment(selector={})))["spec.selector"]
    late = _deployment(progressDeadlineSeconds=5, minReadySeconds=5)
    assert "must be greater than minReadySeconds" in _causes(admin.post(path, late))["spec.progressDeadlineSeconds"]


@pytest.mark.parametrize("plural", ["deployments", "replicasets"])
def test_a_selector_stays(admin: Api, namespace: str, plural: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/{plural}"
    assert admin.post(path, _deployment()).status == 201
    changed = {"spec": {"selector": {"matchLabels": {"app": "web", "x": "y"}}}}
    assert _causes(admin.patch(f"{path}/web", changed, "merge"))["spec.selector"].endswith("field is immutable")


def test_a_template_is_kept_and_checked(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/podtemplates"
    made = admin.post(path, {"metadata": {"name": "t"}, "template": {"spec": pod("x")["spec"]}}).json
    assert made["template"]["spec"]["restartPolicy"] == "Always"
    empty = admin.post(path, {"metadata": {"name": "u"}, "template": {"spec": {}}})
    assert "template.spec.containers" in _causes(empty)


def test_volumes_and_claims(admin: Api, namespace: str, request: pytest.FixtureRequest) -> None:
    name = f"pv-{namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/persistentvolumes/{name}"))
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/d"}}
    made = admin.post("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec}).json
    assert (made["spec"]["volumeMode"], made["status"]) == ("Filesystem", {"phase": "Pending"})
    path = f"/api/v1/persistentvolumes/{name}"
    moved = _causes(admin.patch(path, {"spec": {"hostPath": {"path": "/e"}}}, "merge"))
    assert "is immutable after creation" in moved["spec.persistentvolumesource"]
    bare = {"metadata": {"name": "x"}, "spec": {**spec, "hostPath": None, "accessModes": ["Often"]}}
    causes = _causes(admin.post("/api/v1/persistentvolumes", bare))
    assert causes["spec"] == "Required value: must specify a volume type"
    assert "supported values" in causes["spec.accessModes"]

    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert admin.post(claims, {"metadata": {"name": "c"}, "spec": wanted}).json["status"] == {"phase": "Pending"}
    sizeless = {**wanted, "resources": {"requests": {}}}
    assert "spec.resources[storage]" in _causes(admin.post(claims, {"metadata": {"name": "d"}, "spec": sizeless}))
    bound = admin.patch(f"{claims}/c", {"spec": {"volumeName": name}}, "merge")
    assert bound.json["spec"]["volumeName"] == name
    other = _causes(admin.patch(f"{claims}/c", {"spec": {"accessModes": ["ReadOnlyMany"]}}, "merge"))
    assert "spec is immutable after creation" in other["spec"]


def test_component_statuses_are_worked_out(admin: Api) -> None:
    listed = admin.get("/api/v1/componentstatuses").json
    words = {item["metadata"]["name"]: item["conditions"][0] for item in listed["items"]}
    assert words.keys() == {"controller-manager", "scheduler", "etcd-0"}
    assert words["etcd-0"] == {"type": "Healthy", "status": "True", "message": "ok"}
    assert words["scheduler"]["status"] == "False"
    one = admin.get("/api/v1/componentstatuses/etcd-0")
    assert one.json["kind"] == "ComponentStatus"
    assert "deprecated" in one.headers["Warning"]
    assert admin.get("/api/v1/componentstatuses/nope").status == 404
    assert admin.post("/api/v1/componentstatuses", {}).status == 405
    picked = admin.get("/api/v1/componentstatuses?fieldSelector=metadata.name%3Detcd-0").json["items"]
    assert len(picked) == 1


def _event(namespace: str, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web.1"},
        "eventTime": "2024-01-01T00:00:00.000000Z",
        "reportingController": "example.com/tester",
        "reportingInstance": "tester-1",
        "action": "Testing",
        "reason": "Tested",
        "regarding": {"kind": "Pod", "name": "web", "namespace": namespace},
        "note": "all is well",
        "type": "Normal",
        **more,
    }


def test_an_event_has_two_forms(admin: Api, namespace: str) -> None:
    newer = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    older = f"/api/v1/namespaces/{namespace}/events"
    made = admin.post(newer, _event(namespace))
    assert made.status == 201, made.data
    assert (made.json["apiVersion"], made.json["note"]) == ("events.k8s.io/v1", "all is well")
    seen = admin.get(f"{older}/web.1").json
    assert (seen["apiVersion"], seen["message"]) == ("v1", "all is well")
    assert seen["involvedObject"]["name"] == "web"
    assert seen["reportingComponent"] == "example.com/tester"
    assert seen["metadata"]["uid"] == made.json["metadata"]["uid"]
    old = {
        "metadata": {"name": "web.2"},
        "involvedObject": {"kind": "Pod", "name": "other", "namespace": namespace},
        "source": {"component": "kubelet", "host": "n1"},
        "message": "from before",
        "count": 3,
        "firstTimestamp": "2024-01-01T00:00:00Z",
    }
    admin.post(older, old)
    shown = admin.get(f"{newer}/web.2").json
    assert shown["deprecatedSource"] == {"component": "kubelet", "host": "n1"}
    assert (shown["deprecatedCount"], shown["note"]) == (3, "from before")
    picked = admin.get(f"{newer}?fieldSelector=regarding.name%3Dweb").json
    assert picked["kind"] == "EventList"
    assert picked["apiVersion"] == "events.k8s.io/v1"
    assert [(item["kind"], item["metadata"]["name"]) for item in picked["items"]] == [("Event", "web.1")]


def test_a_series_is_counted_in_the_newer_form_and_nothing_else_changes(admin: Api, namespace: str) -> None:
    newer = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    admin.post(newer, _event(namespace))
    series = {"series": {"count": 2, "lastObservedTime": "2024-01-01T00:01:00.000000Z"}}
    assert admin.patch(f"{newer}/web.1", series).json["series"]["count"] == 2
    lone = admin.patch(f"{newer}/web.1", {"series": {"count": 1, "lastObservedTime": None}})
    causes = [(one["field"], one["reason"]) for one in lone.json["details"]["causes"]]
    assert causes == [("series.count", "FieldValueInvalid"), ("series.lastObservedTime", "FieldValueRequired")]
    assert _causes(admin.patch(f"{newer}/web.1", {"note": "other"}, "merge")).keys() == {"note"}
    bare = _causes(admin.post(newer, {"metadata": {"name": "x"}, "type": "Odd", "deprecatedCount": 1}))
    assert {"eventTime", "reportingController", "action", "reason", "type", "deprecatedCount"} <= bare.keys()
    assert admin.delete(f"{newer}/web.1").status == 200


def test_a_watch_of_the_newer_form_sees_events_of_the_older(admin: Api, namespace: str) -> None:
    lines = admin.watch(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events?watch=1&timeoutSeconds=10")
    about = {"kind": "Pod", "name": "web", "namespace": namespace}
    admin.post(
        f"/api/v1/namespaces/{namespace}/events", {"metadata": {"name": "e"}, "involvedObject": about, "message": "m"}
    )
    event = lines.next()
    assert (event["type"], event["object"]["apiVersion"]) == ("ADDED", "events.k8s.io/v1")
    assert event["object"]["note"] == "m"


def test_an_eviction_deletes_and_keeps_its_preconditions(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(path, pod("web"))
    eviction: dict[str, Any] = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    stranger = {**eviction, "deleteOptions": {"preconditions": {"uid": "other"}}}
    assert admin.post(f"{path}/web/eviction", stranger).status == 409
    assert admin.post(f"{path}/web/eviction?dryRun=All", eviction).status == 201
    assert admin.get(f"{path}/web").status == 200
    assert admin.post(f"{path}/web/eviction", {**eviction, "metadata": {"name": "x"}}).status == 400
    done = admin.post(f"{path}/web/eviction", {**eviction, "apiVersion": "policy/v1beta1"})
    assert (done.status, done.json["status"]) == (201, "Success")
    until(lambda: admin.get(f"{path}/web").status == 404)
    assert admin.post(f"{path}/web/eviction", eviction).status == 404


def test_ephemeral_containers_are_added_and_stay(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    debugger = {"name": "debugger", "image": "tools:1", "targetContainerName": "c"}
    assert "spec.ephemeralContainers" in _causes(admin.post(path, pod("early", ephemeralContainers=[debugger])))
    admin.post(path, pod("web"))
    at = f"{path}/web/ephemeralcontainers"
    added = admin.patch(at, {"metadata": {"labels": {"no": "change"}}, "spec": {"ephemeralContainers": [debugger]}})
    assert added.status == 200, added.data
    assert added.json["spec"]["ephemeralContainers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert added.json["metadata"]["labels"] == {"app": "web"}
    changed = {"spec": {"ephemeralContainers": [{**debugger, "image": "tools:2"}]}}
    assert "may not be changed" in next(iter(_causes(admin.patch(at, changed)).values()))
    whole = admin.get(f"{path}/web").json
    whole["spec"]["ephemeralContainers"] = []
    assert "may not be removed" in _causes(admin.put(at, whole))["spec.ephemeralContainers"]
    probed = {"spec": {"ephemeralContainers": [{"name": "p", "image": "i", "ports": [{"containerPort": 1}]}]}}
    assert any(
        "may not be set for an Ephemeral Container" in text for text in _causes(admin.patch(at, probed)).values()
    )
    assert _causes(admin.patch(f"{path}/web", changed)).keys() == {"spec"}

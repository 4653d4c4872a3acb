"""The life of an object: made, read, changed, deleted."""

from typing import Any

import pytest
from tests_apiserver import Api, pod

PODS = "/api/v1/namespaces/{}/pods"


def test_a_created_object_has_identity_history_and_defaults(admin: Api, namespace: str) -> None:
    made = admin.post(PODS.format(namespace), pod("web"))
    assert made.status == 201
    meta = made.json["metadata"]
    assert meta["namespace"] == namespace
    assert meta["uid"]
    assert meta["creationTimestamp"]
    assert "generation" not in meta, "Kubernetes counts those of some kinds only"
    assert int(meta["resourceVersion"]) > 0
    assert made.json["spec"]["restartPolicy"] == "Always"
    assert made.json["status"]["phase"] == "Pending"
    assert admin.get(f"{PODS.format(namespace)}/web").data == made.data


def test_a_status_in_a_new_pod_is_dropped_and_a_node_keeps_its_own(admin: Api, namespace: str) -> None:
    made = admin.post(PODS.format(namespace), pod("web") | {"status": {"phase": "Running", "podIP": "10.0.0.9"}})
    assert made.json["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    node = {"metadata": {"name": f"n-{namespace}"}, "status": {"capacity": {"pods": "110"}}}
    assert admin.post("/api/v1/nodes", node).json["status"]["capacity"] == {"pods": "110"}


@pytest.mark.parametrize(
    ("plural", "kind", "warned"), [("daemonsets", "DaemonSet", 1), ("replicasets", "ReplicaSet", 0)]
)
def test_who_makes_what_nobody_acts_on_is_warned(
    admin: Api, namespace: str, plural: str, kind: str, warned: int
) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    wanted = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    made = admin.post(f"/apis/apps/v1/namespaces/{namespace}/{plural}", wanted)
    assert made.status == 201
    assert made.headers.get("Warning", "").count(f"no controller of this cluster acts on a {kind}") == warned


def test_a_generated_name_has_the_prefix_and_five_more_letters(admin: Api, namespace: str) -> None:
    body = pod("") | {"metadata": {"generateName": "web-"}}
    names = {admin.post(PODS.format(namespace), body).json["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("web-") and len(name) == 9 for name in names)


def test_the_same_name_twice_is_refused(admin: Api, namespace: str) -> None:
    admin.post(PODS.format(namespace), pod("web"))
    again = admin.post(PODS.format(namespace), pod("web"))
    assert again.status == 409
    assert again.json["reason"] == "AlreadyExists"
    assert again.json["message"] == 'pods "web" already exists'
    assert again.json["details"] == {"name": "web", "kind": "pods"}


def test_a_namespace_that_is_not_there_takes_nothing(admin: Api) -> None:
    refused = admin.post(PODS.format("nowhere"), pod("web"))
    assert refused.status == 404
    assert refused.json["message"] == 'namespaces "nowhere" not found'


def test_an_update_bumps_the_generation_only_when_the_spec_changed(admin: Api, namespace: str) -> None:
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    body = {"metadata": {"name": "s"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}
    made = admin.post(path, body).json
    made["metadata"]["labels"] = {"a": "b"}
    labelled = admin.put(f"{path}/s", made).json
    assert labelled["metadata"]["generation"] == 1
    labelled["spec"]["minAvailable"] = 2
    assert admin.put(f"{path}/s", labelled).json["metadata"]["generation"] == 2


def test_a_slice_counts_what_it_lists_and_its_labels(admin: Api, namespace: str) -> None:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    made = admin.post(path, {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": []}).json
    assert made["metadata"]["generation"] == 1
    for change, generation in (({"metadata": {"annotations": {"a": "b"}}}, 1), ({"ports": [{"port": 80}]}, 2)):
        assert admin.patch(f"{path}/s", change, "merge").json["metadata"]["generation"] == generation
    assert admin.patch(f"{path}/s", {"metadata": {"labels": {"a": "b"}}}, "merge").json["metadata"]["generation"] == 3


def test_an_update_from_an_old_version_is_a_conflict(admin: Api, namespace: str) -> None:
    path = f"{PODS.format(namespace)}/web"
    first = admin.post(PODS.format(namespace), pod("web")).json
    first["metadata"]["labels"]["a"] = "1"
    assert admin.put(path, first).status == 200
    second = admin.put(path, first)
    assert second.status == 409
    assert second.json["message"] == (
        'Operation cannot be fulfilled on pods "web": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_an_update_without_a_version_wins_and_one_that_changes_nothing_is_no_write(admin: Api, namespace: str) -> None:
    path = f"{PODS.format(namespace)}/web"
    made = admin.post(PODS.format(namespace), pod("web"))
    unchanged = admin.put(path, made.json)
    assert unchanged.json["metadata"]["resourceVersion"] == made.json["metadata"]["resourceVersion"]
    body: Any = made.json
    del body["metadata"]["resourceVersion"]
    body["metadata"]["labels"]["a"] = "2"
    assert admin.put(path, body).json["metadata"]["labels"]["a"] == "2"


def test_a_main_write_keeps_the_status_and_a_status_write_keeps_the_spec(admin: Api, namespace: str) -> None:
    path = f"{PODS.format(namespace)}/web"
    body = admin.post(PODS.format(namespace), pod("web")).json
    body["status"] = {"phase": "Running"}
    assert admin.put(path, body).json["status"]["phase"] == "Pending"
    del body["metadata"]["resourceVersion"]
    body["spec"]["containers"][0]["image"] = "other:1"
    after = admin.put(f"{path}/status", body).json
    assert after["status"]["phase"] == "Running"
    assert after["spec"]["containers"][0]["image"] == "pause:1"


def test_each_form_of_patch_changes_the_object(admin: Api, namespace: str) -> None:
    path = f"{PODS.format(namespace)}/web"
    admin.post(PODS.format(namespace), pod("web"))
    step = [{"op": "add", "path": "/metadata/labels/json", "value": "1"}]
    assert admin.patch(path, step, "json").json["metadata"]["labels"] == {"app": "web", "json": "1"}
    merge = {"metadata": {"labels": {"json": None, "merge": "1"}}}
    assert admin.patch(path, merge, "merge").json["metadata"]["labels"] == {"app": "web", "merge": "1"}
    strategic = {"spec": {"containers": [{"name": "c", "image": "pause:2"}]}}
    changed = admin.patch(path, strategic).json
    assert changed["spec"]["containers"][0]["image"] == "pause:2"
    assert changed["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_a_status_patch_merges_conditions_by_type(admin: Api, namespace: str) -> None:
    path = f"{PODS.format(namespace)}/web/status"
    admin.post(PODS.format(namespace), pod("web"))
    for kind in ("Ready", "Initialized"):
        admin.patch(path, {"status": {"conditions": [{"type": kind, "status": "True"}]}})
    conditions = admin.get(path).json["status"]["conditions"]
    assert sorted(item["type"] for item in conditions) == ["Initialized", "Ready"]


def test_a_patch_that_names_an_old_version_is_a_conflict(admin: Api, namespace: str) -> None:
    path = f"{PODS.format(namespace)}/web"
    made = admin.post(PODS.format(namespace), pod("web")).json
    admin.patch(path, {"metadata": {"labels": {"a": "1"}}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"], "labels": {"a": "2"}}}
    assert admin.patch(path, stale, "merge").status == 409


def test_an_unbound_pod_goes_at_once_and_a_bound_one_is_given_its_grace(admin: Api, namespace: str) -> None:
    path = PODS.format(namespace)
    admin.post(path, pod("free"))
    assert admin.delete(f"{path}/free").status == 200
    assert admin.get(f"{path}/free").status == 404

    admin.post(path, pod("bound", nodeName="n1", terminationGracePeriodSeconds=7))
    marked = admin.delete(f"{path}/bound").json
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    again = admin.delete(f"{path}/bound").json
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    assert admin.delete(f"{path}/bound", {"gracePeriodSeconds": 0}).status == 200
    assert admin.get(f"{path}/bound").status == 404


def test_a_second_delete_can_only_shorten_the_grace(admin: Api, namespace: str) -> None:
    path = PODS.format(namespace)
    admin.post(path, pod("web", nodeName="n1"))
    assert admin.delete(f"{path}/web").json["metadata"]["deletionGracePeriodSeconds"] == 30
    assert admin.delete(f"{path}/web?gracePeriodSeconds=60").json["metadata"]["deletionGracePeriodSeconds"] == 30
    assert admin.delete(f"{path}/web?gracePeriodSeconds=5").json["metadata"]["deletionGracePeriodSeconds"] == 5


def test_a_pod_that_nobody_waits_for_is_answered_with_its_moment(admin: Api, namespace: str) -> None:
    """Also one of whose own words one is the name of the field."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    for annotations in ({}, {"deletionTimestamp": "never"}):
        made = admin.post(path, pod("gone") | {"metadata": {"name": "gone", "annotations": annotations}})
        assert made.status == 201, made.data
        gone = admin.delete(f"{path}/gone").json["metadata"]
        assert gone["deletionGracePeriodSeconds"] == 0
        assert gone["deletionTimestamp"] >= gone["creationTimestamp"]
        assert int(gone["resourceVersion"]) > int(made.json["metadata"]["resourceVersion"])
        assert admin.get(f"{path}/gone").status == 404


def test_finalizers_hold_an_object_back_until_the_last_is_gone(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    admin.post(path, {"metadata": {"name": "c", "finalizers": ["example.com/a"]}})
    assert admin.delete(f"{path}/c").json["metadata"]["deletionTimestamp"]
    more = admin.patch(f"{path}/c", {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}, "merge")
    assert more.status == 422
    assert "no new finalizers can be added" in more.json["message"]
    assert admin.patch(f"{path}/c", {"metadata": {"finalizers": None}}, "merge").status == 200
    assert admin.get(f"{path}/c").status == 404


def test_preconditions_guard_a_delete(admin: Api, namespace: str) -> None:
    path = PODS.format(namespace)
    made = admin.post(path, pod("web")).json
    refused = admin.delete(f"{path}/web", {"preconditions": {"uid": "other"}})
    assert refused.status == 409
    assert "the UID in the precondition (other) does not match the UID in record (" in refused.json["message"]
    assert admin.delete(f"{path}/web", {"preconditions": {"resourceVersion": "1"}}).status == 409
    assert admin.delete(f"{path}/web", {"preconditions": {"uid": made["metadata"]["uid"]}}).status == 200


def test_an_owner_waits_for_the_collector(admin: Api, namespace: str) -> None:
    configs = f"/api/v1/namespaces/{namespace}/configmaps"
    for name, policy, finalizer in (("a", "Orphan", "orphan"), ("b", "Foreground", "foregroundDeletion")):
        admin.post(configs, {"metadata": {"name": name}})
        marked = admin.delete(f"{configs}/{name}", {"propagationPolicy": policy}).json
        assert marked["metadata"]["finalizers"] == [finalizer]
        again = admin.post(configs, {"metadata": {"name": name}})
        assert again.json["message"] == f'object is being deleted: configmaps "{name}" already exists'
        # Who thinks better of it gets it his way.
        assert admin.delete(f"{configs}/{name}", {"propagationPolicy": "Background"}).json["status"] == "Success"


def test_nobody_waits_for_the_collector_with_what_it_does_not_look_at(admin: Api, namespace: str) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    admin.post(leases, {"metadata": {"name": "a"}})
    assert admin.delete(f"{leases}/a", {"propagationPolicy": "Foreground"}).json["status"] == "Success"


def test_a_dry_deletion_shows_the_object_as_it_would_be(admin: Api, namespace: str) -> None:
    configs = f"/api/v1/namespaces/{namespace}/configmaps"
    admin.post(configs, {"metadata": {"name": "a"}})
    shown = admin.delete(f"{configs}/a?dryRun=All", {"propagationPolicy": "Foreground"}).json["metadata"]
    assert shown["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in shown
    assert "finalizers" not in admin.get(f"{configs}/a").json["metadata"]


def test_only_what_stands_behind_a_proxy_answers_head(admin: Api, namespace: str) -> None:
    """As in Kubernetes, which answers it for lists of groups, health and metrics too."""
    for path in ("/api/v1/pods", f"/api/v1/namespaces/{namespace}", "/version", "/api", "/api/v1", "/apis/apps/v1"):
        assert admin.call("HEAD", path).status == 405, path
    for path in ("/healthz", "/metrics", "/apis", "/apis/apps", "/openapi/v2"):
        assert admin.call("HEAD", path).status == 200, path


def test_three_namespaces_stay_and_that_of_leases_may_go(admin: Api) -> None:
    for name in ("default", "kube-system", "kube-public"):
        assert admin.delete(f"/api/v1/namespaces/{name}?dryRun=All").status == 403
    assert admin.delete("/api/v1/namespaces/kube-node-lease?dryRun=All").status == 200


def test_a_collection_is_deleted_by_selector(admin: Api, namespace: str) -> None:
    path = PODS.format(namespace)
    for name in ("a", "b", "c"):
        admin.post(path, pod(name))
    gone = admin.delete(f"{path}?labelSelector=app in (a,b)")
    assert [item["metadata"]["name"] for item in gone.json["items"]] == ["a", "b"]
    assert [item["metadata"]["name"] for item in admin.get(path).json["items"]] == ["c"]


def test_a_dry_run_answers_and_stores_nothing(admin: Api, namespace: str) -> None:
    path = PODS.format(namespace)
    made = admin.post(f"{path}?dryRun=All", pod("web"))
    assert made.status == 201
    assert made.json["spec"]["restartPolicy"] == "Always"
    assert admin.get(f"{path}/web").status == 404
    before = admin.post(path, pod("web")).json
    changed = admin.call(
        "PATCH",
        f"{path}/web?dryRun=All",
        {"metadata": {"labels": {"x": "y"}}},
        Content_Type="application/merge-patch+json",
    )
    assert changed.json["metadata"]["labels"]["x"] == "y"
    assert admin.delete(f"{path}/web?dryRun=All").status == 200
    assert admin.get(f"{path}/web").json == before
    assert admin.post(f"{path}?dryRun=Some", pod("web")).status == 422


def test_a_namespace_goes_when_its_controller_has_finalized_it(admin: Api) -> None:
    path = "/api/v1/namespaces/going"
    admin.post("/api/v1/namespaces", {"metadata": {"name": "going"}})
    marked = admin.delete(path).json
    assert marked["status"]["phase"] == "Terminating"
    refused = admin.post(PODS.format("going"), pod("late"))
    assert refused.status == 403
    assert refused.json["message"] == (
        'pods "late" is forbidden: unable to create new content in namespace going because it is being terminated'
    )
    marked["spec"] = {}
    assert admin.put(f"{path}/finalize", marked).status == 200
    assert admin.get(path).status == 404
    assert admin.delete("/api/v1/namespaces/default").status == 403


def test_an_update_makes_what_may_be_made_so(admin: Api, namespace: str) -> None:
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/l"
    made = admin.put(lease, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})
    assert (made.status, made.json["spec"]) == (201, {"holderIdentity": "a"})
    assert admin.put(lease, {"metadata": {"name": "l"}}).status == 422, "it is there, and must be named by its version"
    service = f"/api/v1/namespaces/{namespace}/services/s"
    assert admin.put(service, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}).status == 201
    for plural in ("configmaps", "pods"):
        assert admin.put(f"/api/v1/namespaces/{namespace}/{plural}/x", pod("x") if plural == "pods" else
                         {"metadata": {"name": "x"}}).status == 404  # fmt: skip
    assert admin.put(lease.replace("/l", "/m"), {"metadata": {"name": "m", "resourceVersion": "7"}}).status == 404


def test_wrong_options_are_told_as_the_object_they_stand_for(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"metadata": {"name": "c"}}
    for answer, kind, field in (
        (admin.post(f"{path}?dryRun=X", body), "CreateOptions", "dryRun"),
        (admin.delete(f"{path}/c?propagationPolicy=X"), "DeleteOptions", "propagationPolicy"),
        (
            admin.delete(f"{path}/c?propagationPolicy=Orphan&orphanDependents=true"),
            "DeleteOptions",
            "propagationPolicy",
        ),
        (admin.get(f"{path}?resourceVersionMatch=Exact"), "ListOptions", "resourceVersionMatch"),
        (admin.get(f"{path}?resourceVersionMatch=X&resourceVersion=1"), "ListOptions", "resourceVersionMatch"),
    ):
        details = answer.json["details"]
        assert (answer.status, details["kind"], details["group"]) == (422, kind, "meta.k8s.io")
        assert [cause["field"] for cause in details["causes"]] == [field]

"""What components tell in a status is checked as Kubernetes checks it; beside it, the metadata that it lets through."""

from typing import Any

import pytest
from tests_apiserver import Api, pod

from api.core import ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus
from api.validation.status import runs_again, status_errors

APPS = "/apis/apps/v1/namespaces/{}"
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
SPEC = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
OBJECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "pods": ("/api/v1/namespaces/{}/pods", {"containers": [{"name": "c", "image": "x"}], "restartPolicy": "Never"}),
    "services": ("/api/v1/namespaces/{}/services", {"ports": [{"port": 80}]}),
    "replicasets": (APPS + "/replicasets", SPEC),
    "deployments": (APPS + "/deployments", SPEC),
    "statefulsets": (APPS + "/statefulsets", SPEC | {"serviceName": "s"}),
    "daemonsets": (APPS + "/daemonsets", SPEC),
    "poddisruptionbudgets": ("/apis/policy/v1beta1/namespaces/{}/poddisruptionbudgets", {"minAvailable": 1}),
}
COUNTS = {"replicas": 1, "readyReplicas": 2, "availableReplicas": 3, "observedGeneration": -1}
WRONG: list[tuple[str, dict[str, Any], set[str]]] = [
    ("pods", {"podIP": "300.0.0.1"}, {"status.podIPs[0]"}),
    ("pods", {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "x"}]}, {"status.podIPs[1]"}),
    ("pods", {"nominatedNodeName": "-x"}, {"status.nominatedNodeName"}),
    ("services", {"loadBalancer": {"ingress": [{"ip": "x"}]}}, {"status.loadBalancer.ingress[0].ip"}),
    ("services", {"loadBalancer": {"ingress": [{"hostname": "-"}]}}, {"status.loadBalancer.ingress[0].hostname"}),
    ("replicasets", COUNTS, {"status.readyReplicas", "status.availableReplicas", "status.observedGeneration"}),
    ("deployments", COUNTS, {"status.readyReplicas", "status.availableReplicas", "status.observedGeneration"}),
    ("deployments", {"collisionCount": -1}, {"status.collisionCount"}),
    ("statefulsets", {"replicas": 1, "currentReplicas": 2}, {"status.currentReplicas"}),
    ("daemonsets", {"numberReady": -1}, {"status.numberReady"}),
    ("poddisruptionbudgets", {"currentHealthy": -1}, {"status.currentHealthy"}),
]


def _made(admin: Api, namespace: str, plural: str) -> str:
    path, spec = OBJECTS[plural]
    answer = admin.post(path.format(namespace), {"metadata": {"name": "it"}, "spec": spec})
    assert answer.status == 201, answer.data
    return f"{path.format(namespace)}/it"


@pytest.mark.parametrize(
    ("plural", "status", "fields"), WRONG, ids=lambda one: " ".join(sorted(one)) if isinstance(one, set) else str(one)
)
def test_a_wrong_status_is_refused(
    admin: Api, namespace: str, plural: str, status: dict[str, Any], fields: set[str]
) -> None:
    path = _made(admin, namespace, plural)
    before = admin.get(path).json
    refused = admin.patch(f"{path}/status", {"status": status}, "merge")
    assert refused.status == 422, refused.data
    assert {one["field"] for one in refused.json["details"]["causes"]} == fields
    assert admin.put(f"{path}/status", before | {"status": before["status"] | status}).status == 422
    assert admin.get(path).json == before


def test_a_namespace_is_active_until_it_is_deleted(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/status"
    assert admin.patch(path, {"status": {"phase": "Terminating"}}, "merge").status == 422


def test_names_of_revisions_are_not_counted_down(admin: Api, namespace: str) -> None:
    path = _made(admin, namespace, "deployments") + "/status"
    assert admin.patch(path, {"status": {"collisionCount": 2}}, "merge").status == 200
    for count in (1, None):
        assert admin.patch(path, {"status": {"collisionCount": count}}, "merge").status == 422


def test_what_has_ended_for_good_does_not_run_again(admin: Api, namespace: str) -> None:
    path = _made(admin, namespace, "pods") + "/status"
    known = {"name": "c", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    ended = known | {"state": {"terminated": {"exitCode": 1}}}
    assert admin.patch(path, {"status": {"containerStatuses": [ended]}}, "merge").status == 200
    again = admin.patch(path, {"status": {"containerStatuses": [known | {"state": {"running": {}}}]}}, "merge")
    assert again.status == 422
    assert again.json["details"]["causes"][0]["field"] == "status.containerStatuses[0].state"


def _container(name: str, *, over: bool) -> ContainerStatus:
    state = ContainerState(terminated=ContainerStateTerminated(exit_code=0)) if over else ContainerState()
    return ContainerStatus(name=name, image="x", state=state)


@pytest.mark.parametrize("part", ["container_statuses", "init_container_statuses"])
def test_a_spec_is_read_for_a_container_that_runs_again_alone(part: str) -> None:
    """Not for each status that follows the end of one."""

    def told(*statuses: ContainerStatus) -> Pod:
        return Pod(status=PodStatus(**{part: list(statuses)}))

    before = told(_container("a", over=True), _container("b", over=False))
    assert not runs_again(told(_container("a", over=True), _container("b", over=True)), before)
    assert not runs_again(told(_container("b", over=False)), before)
    assert runs_again(told(_container("b", over=True), _container("a", over=False)), before)


def test_a_nomination_is_judged_when_it_changes() -> None:
    wrong = Pod(status=PodStatus(nominated_node_name="-x"))
    assert status_errors(wrong, Pod())
    assert not status_errors(wrong, wrong)


@pytest.mark.parametrize("plural", OBJECTS)
def test_metadata_is_written_with_a_status(admin: Api, namespace: str, plural: str) -> None:
    """But for the owners of a pod and the labels of a deployment."""
    path = _made(admin, namespace, plural)
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
    metadata = {"labels": {"l": "m"}, "annotations": {"a": "n"}, "finalizers": ["f.g/h"], "ownerReferences": [owner]}
    after = admin.patch(f"{path}/status", {"metadata": metadata}, "merge")
    assert after.status == 200, after.data
    kept = after.json["metadata"]
    assert kept["annotations"]["a"] == "n"
    assert kept["finalizers"] == ["f.g/h"]
    assert ("ownerReferences" in kept) == (plural != "pods")
    assert ("l" in kept.get("labels", {})) == (plural != "deployments")

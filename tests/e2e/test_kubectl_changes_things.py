"""create, apply, label, annotate, patch, scale, delete, as a user does them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.guestbook import Visitor
from tests.e2e.pods import controller, pod, service
from tests.e2e.waiting import seconds_until, until

pytestmark = pytest.mark.cluster
SOON_S = 3.0


def test_pods_follow_a_scale_up_and_down(kubectl: Kubectl, api: Api, visitor: Visitor, figures: dict[str, str]) -> None:
    def ready() -> int:
        return len(api.ready_pods("name=frontend"))

    def left() -> int:
        return len(api.items("pods", selector="name=frontend"))

    assert kubectl("scale", "rc", "frontend", "--replicas=5") == "replicationcontroller/frontend scaled\n"
    took = seconds_until(lambda: ready() == 5, limit_s=15, what="five front ends")
    figures["scale 3 to 5 until ready"] = f"{took:.1f} s"
    until(lambda: len(visitor.reached(10)) == 5, limit_s=5, what="all five serving")
    kubectl("scale", "rc", "frontend", "--replicas=2")
    took = seconds_until(lambda: ready() == 2, limit_s=15, what="two front ends")
    figures["scale 5 to 2 until the others are on their way"] = f"{took:.1f} s"
    until(lambda: len(visitor.reached(8)) == 2, limit_s=5, what="two serving")
    kubectl("scale", "rc", "frontend", "--replicas=3")
    until(lambda: ready() == 3 and left() == 3, limit_s=40, what="three front ends, and no other left")


def test_a_scale_from_an_unexpected_size_is_refused(kubectl: Kubectl, created: str) -> None:
    result = kubectl.try_it("scale", "rc", "frontend", "--current-replicas=9", "--replicas=1")
    assert result.returncode == 1
    assert "Expected replicas to be 9, was 3" in result.stderr


def test_a_deleted_pod_is_replaced_soon(kubectl: Kubectl, api: Api, visitor: Visitor, figures: dict[str, str]) -> None:
    (victim, *_) = api.ready_pods("name=frontend")
    name = victim["metadata"]["name"]
    kubectl("delete", "pod", name, "--wait=false")

    def replaced() -> bool:
        names = {one["metadata"]["name"] for one in api.ready_pods("name=frontend")}
        return len(names) == 3 and name not in names

    took = seconds_until(replaced, limit_s=15, what="a replacement")
    figures["delete a pod until its replacement is ready"] = f"{took:.1f} s"
    assert took < SOON_S
    until(lambda: not api.is_there(f"/api/v1/namespaces/default/pods/{name}"), limit_s=40, what="its end")


def test_delete_of_a_pod_waits_until_it_is_gone(
    kubectl: Kubectl, api: Api, cluster: Cluster, run: Callable[..., Object], namespace: str
) -> None:
    made = run(pod("short"))
    assert kubectl("delete", "pod", "short", "-n", namespace).startswith('pod "short" deleted')
    assert not api.is_there(f"/api/v1/namespaces/{namespace}/pods/short")
    assert made["metadata"]["uid"] not in str(cluster.containers())


def test_delete_of_a_controller_takes_its_pods(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl.create(controller("batch", 2), namespace=namespace)
    until(lambda: len(api.ready_pods("app=batch", namespace)) == 2, limit_s=15, what="two pods")
    kubectl("delete", "rc", "batch", "-n", namespace)
    until(lambda: not api.items("pods", namespace), limit_s=15, what="no pods")


def test_orphans_are_adopted_by_the_next_controller(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl.create(controller("family", 2), namespace=namespace)
    until(lambda: len(api.ready_pods("app=family", namespace)) == 2, limit_s=15, what="two pods")
    before = {one["metadata"]["uid"] for one in api.items("pods", namespace)}
    kubectl("delete", "rc", "family", "-n", namespace, "--cascade=orphan")
    until(lambda: all("ownerReferences" not in one["metadata"] for one in api.items("pods", namespace)), limit_s=10)
    kubectl.create(controller("family", 2), namespace=namespace)
    until(lambda: all("ownerReferences" in one["metadata"] for one in api.items("pods", namespace)), limit_s=10)
    assert {one["metadata"]["uid"] for one in api.items("pods", namespace)} == before


def test_a_pod_whose_label_is_taken_off_is_let_go_and_replaced(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl.create(controller("solo", 1), namespace=namespace)
    (first,) = until(lambda: api.ready_pods("app=solo", namespace), limit_s=15, what="a pod")
    kubectl("label", "pod", first["metadata"]["name"], "app-", "-n", namespace)
    (second,) = until(lambda: api.ready_pods("app=solo", namespace), limit_s=15, what="a replacement")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert "ownerReferences" not in api.pod(first["metadata"]["name"], namespace)["metadata"]


def test_labels_and_annotations_change(kubectl: Kubectl, api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/web"
    kubectl.create(service("web", 80), namespace=namespace)
    assert kubectl("label", "svc", "web", "tier=one", "-n", namespace) == "service/web labeled\n"
    refused = kubectl.try_it("label", "svc", "web", "tier=two", "-n", namespace)
    assert refused.returncode == 1
    assert "already has a value (one)" in refused.stderr
    kubectl("label", "svc", "web", "tier=two", "--overwrite", "-n", namespace)
    assert kubectl("annotate", "svc", "web", "note=good", "-n", namespace) == "service/web annotated\n"
    found = api.get(path)["metadata"]
    assert found["labels"] == {"tier": "two"}
    assert found["annotations"]["note"] == "good"
    kubectl("annotate", "svc", "web", "note-", "-n", namespace)
    assert "note" not in api.get(path)["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", '{"spec": {"ports": [{"port": 80, "name": "http"}]}}'),
        ("merge", '{"spec": {"ports": [{"port": 80, "name": "http"}]}}'),
        ("json", '[{"op": "add", "path": "/spec/ports/0/name", "value": "http"}]'),
    ],
)
def test_three_kinds_of_patch_work(kind: str, patch: str, kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl.create(service("web", 80), namespace=namespace)
    said = kubectl("patch", "svc", "web", "-n", namespace, "--type", kind, "-p", patch)
    assert said == "service/web patched\n"
    (port,) = api.get(f"/api/v1/namespaces/{namespace}/services/web")["spec"]["ports"]
    assert (port["name"], port["port"], port["protocol"], port["targetPort"]) == ("http", 80, "TCP", 80)


def test_apply_creates_changes_and_forgets(kubectl: Kubectl, api: Api, namespace: str) -> None:
    def apply(wanted: Object) -> str:
        return kubectl("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(wanted))

    path = f"/api/v1/namespaces/{namespace}/replicationcontrollers/app"
    wanted = controller("app", 1)
    wanted["metadata"]["labels"] = {"one": "1", "two": "2"}
    assert apply(wanted) == "replicationcontroller/app created\n"
    assert apply(wanted) == "replicationcontroller/app unchanged\n"
    wanted["metadata"]["labels"] = {"one": "changed"}
    wanted["spec"]["replicas"] = 2
    assert apply(wanted) == "replicationcontroller/app configured\n"
    found = api.get(path)
    assert found["metadata"]["labels"] == {"one": "changed"}
    assert found["spec"]["replicas"] == 2
    diff = kubectl.try_it("diff", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(wanted))
    assert (diff.returncode, diff.stdout) == (0, ""), diff.stderr


def test_replace_and_dry_run(kubectl: Kubectl, api: Api, namespace: str) -> None:
    made = yaml.safe_dump(service("web", 80))
    said = kubectl("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=made)
    assert said == "service/web created (server dry run)\n"
    assert not api.is_there(f"/api/v1/namespaces/{namespace}/services/web")
    kubectl("create", "-n", namespace, "-f", "-", stdin=made)
    changed = api.get(f"/api/v1/namespaces/{namespace}/services/web")
    changed["spec"]["ports"][0]["port"] = 81
    said = kubectl("replace", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(changed))
    assert said == "service/web replaced\n"
    stale = kubectl.try_it("replace", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(changed))
    assert stale.returncode == 1
    assert "the object has been modified" in stale.stderr


def test_kubectl_waits_for_conditions(kubectl: Kubectl, namespace: str) -> None:
    kubectl.create(pod("awaited"), namespace=namespace)
    said = kubectl("wait", "pod/awaited", "--for=condition=Ready", "--timeout=20s", "-n", namespace)
    assert said == "pod/awaited condition met\n"


def test_expose_and_run_make_objects(kubectl: Kubectl, api: Api, namespace: str) -> None:
    kubectl("run", "web", "--image=steersman/busybox:1", "-n", namespace, "--command", "--", "sleep", "3600")
    kubectl("expose", "pod", "web", "--port=80", "-n", namespace)
    until(lambda: len(api.addresses("web", namespace)) == 1, limit_s=15, what="an endpoint")

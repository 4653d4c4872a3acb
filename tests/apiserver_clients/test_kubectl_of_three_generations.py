"""Three generations of kubectl and the one list of what people do with it, with no special flag."""

import json
import subprocess
import threading
from collections.abc import Callable

import pytest
from kubectls import DEPLOYMENT, Kubectl
from tests_apiserver import Api, pod

from tests.e2e.waiting import until

CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 2
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: php, image: "web:1", ports: [{containerPort: 80}]}
"""


def test_create_get_describe_replace_patch_and_delete(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=CONTROLLER) == "replicationcontroller/web created\n"
    header, row = kubectl("get", "rc", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[:4] + row.split()[5:] == ["web", "2", "0", "0", "php", "web:1", "app=web"]
    described = kubectl("describe", "rc", "web")
    assert "0 current / 2 desired" in described
    assert "Image:" in described
    replaced = kubectl("replace", "-f", "-", stdin=CONTROLLER.replace("replicas: 2", "replicas: 4"))
    assert replaced == "replicationcontroller/web replaced\n"
    assert kubectl("get", "rc/web", "-o", "jsonpath={.spec.replicas}") == "4"
    assert kubectl("patch", "rc", "web", "-p", '{"spec":{"replicas":5}}') == "replicationcontroller/web patched\n"
    kubectl("patch", "rc", "web", "--type=merge", "-p", '{"spec":{"replicas":6}}')
    kubectl("patch", "rc", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":7}]')
    assert kubectl("get", "rc/web", "-o", "jsonpath={.spec.replicas}") == "7"
    assert kubectl("delete", "rc", "web").startswith('replicationcontroller "web" deleted')
    assert "NotFound" in kubectl.refused("get", "rc", "web")


def test_scale_expose_and_the_size_in_three_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=CONTROLLER)
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    replica_set = DEPLOYMENT.replace("kind: Deployment", "kind: ReplicaSet")
    kubectl("create", "-f", "-", stdin=replica_set)
    for kind in ("rc", "deploy", "rs"):
        assert kubectl("scale", kind, "web", "--replicas=5").endswith("/web scaled\n")
        assert kubectl("get", kind, "web", "-o", "jsonpath={.spec.replicas}") == "5"
    assert "xpected replicas to be 9" in kubectl.refused("scale", "deploy/web", "--current-replicas=9", "--replicas=1")
    assert kubectl("expose", "rc", "web", "--port=80", "--name=front") == "service/front exposed\n"
    assert kubectl("get", "svc", "front", "-o", "jsonpath={.spec.selector.app}") == "web"
    kubectl("expose", "deployment", "web", "--port=80", "--type=NodePort")
    assert "NodePort" in kubectl("get", "svc", "web")
    assert "Endpoints:" in kubectl("describe", "svc", "front")
    listed = kubectl("get", "all")
    assert {"deployment.apps/web", "replicaset.apps/web", "replicationcontroller/web", "service/front"} <= set(
        listed.split()
    )


def test_apply_diff_and_dry_run(kubectl: Kubectl) -> None:
    newer = DEPLOYMENT.replace("web:1", "web:2")
    assert kubectl("apply", "--dry-run=server", "-f", "-", stdin=DEPLOYMENT) == (
        "deployment.apps/web created (server dry run)\n"
    )
    assert "NotFound" in kubectl.refused("get", "deploy", "web")
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    compared = kubectl.done("diff", "-f", "-", stdin=newer)
    assert compared.returncode == 1, compared.stderr
    assert "+      - image: web:2" in compared.stdout
    assert kubectl("apply", "-f", "-", stdin=newer) == "deployment.apps/web configured\n"
    assert kubectl.done("diff", "-f", "-", stdin=newer).returncode == 0
    assert "image: web:2" in kubectl("apply", "view-last-applied", "deploy/web")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.metadata.generation}") == "2"


def test_apply_keeps_what_another_set_and_removes_what_is_gone(kubectl: Kubectl) -> None:
    first = DEPLOYMENT.replace("replicas: 2", "replicas: 2\n  minReadySeconds: 5")
    kubectl("apply", "-f", "-", stdin=first)
    kubectl("scale", "deploy", "web", "--replicas=9")
    without = first.replace("  replicas: 2\n", "").replace("  minReadySeconds: 5\n", "")
    kubectl("label", "deploy", "web", "by=hand")
    kubectl("apply", "-f", "-", stdin=without)
    shown = json.loads(kubectl("get", "deploy", "web", "-o", "json"))
    assert shown["metadata"]["labels"] == {"app": "web", "by": "hand"}
    assert "minReadySeconds" not in shown["spec"]
    # The field was applied before and is gone from the manifest, so apply takes it away: the default is back.
    assert shown["spec"]["replicas"] == 1


def test_create_edit_label_annotate_and_set(kubectl: Kubectl) -> None:
    assert kubectl("create", "configmap", "c", "--from-literal=a=old") == "configmap/c created\n"
    assert kubectl("create", "secret", "generic", "s", "--from-literal=a=b") == "secret/s created\n"
    assert kubectl("create", "serviceaccount", "sa") == "serviceaccount/sa created\n"
    assert kubectl("create", "deployment", "made", "--image=made:1") == "deployment.apps/made created\n"
    assert kubectl("create", "service", "clusterip", "ip", "--tcp=80:80") == "service/ip created\n"
    assert kubectl("edit", "configmap", "c", KUBE_EDITOR="sed -i s/old/new/") == "configmap/c edited\n"
    assert kubectl("get", "configmap", "c", "-o", "jsonpath={.data.a}") == "new"
    assert kubectl("label", "configmap", "c", "x=y") == "configmap/c labeled\n"
    assert "already has a value" in kubectl.refused("label", "configmap", "c", "x=z")
    kubectl("label", "configmap", "c", "x=z", "--overwrite")
    assert kubectl("annotate", "configmap", "c", "note=hello") == "configmap/c annotated\n"
    assert kubectl("get", "configmap", "-l", "x in (z,q),x!=y", "-o", "name") == "configmap/c\n"
    assert kubectl("set", "image", "deployment/made", "made=made:2") == "deployment.apps/made image updated\n"
    kubectl("set", "env", "deployment/made", "KEY=value")
    kubectl("set", "resources", "deployment/made", "--limits=cpu=200m")
    container = json.loads(kubectl("get", "deploy", "made", "-o", "json"))["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "made:2"
    assert container["env"] == [{"name": "KEY", "value": "value"}]
    assert container["resources"]["limits"] == {"cpu": "200m"}


def test_run_wait_and_rollout_status(kubectl: Kubectl, admin: Api) -> None:
    assert kubectl("run", "job", "--image=job:1", "--restart=Never") == "pod/job created\n"
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/job/status"
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    assert admin.patch(path, ready).status == 200
    assert kubectl("wait", "--for=condition=Ready", "pod/job", "--timeout=20s") == "pod/job condition met\n"
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    waiting = _in_background(kubectl, "rollout", "status", "deployment/web", "--timeout=30s")
    _roll_out(admin, kubectl.namespace)
    output, code = waiting()
    assert code == 0, output
    assert "successfully rolled out" in output
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "pause", "deployment/web")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.paused}") == "true"
    kubectl("rollout", "resume", "deployment/web")


def test_wait_sees_a_pod_go(kubectl: Kubectl, admin: Api) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods"
    admin.post(path, {**pod("web"), "metadata": {"name": "web", "finalizers": ["example.com/hold"]}})
    gone = _in_background(kubectl, "wait", "--for=delete", "pod/web", "--timeout=30s")
    # kubectl 1.20 fails for what it never saw: the pod may go when the watch is there.
    until(lambda: 'apiserver_registered_watchers{resource="pods"} 0' not in admin.get("/metrics").data.decode())
    kubectl("delete", "pod", "web", "--wait=false")
    assert admin.patch(f"{path}/web", {"metadata": {"finalizers": None}}, "merge").status == 200
    output, code = gone()
    assert code == 0, output


def _roll_out(admin: Api, namespace: str) -> None:
    """What a deployment's controller would report."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    generation = admin.get(path).json["metadata"]["generation"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    answer = admin.patch(f"{path}/status", {"status": {"observedGeneration": generation, **counts}}, "merge")
    assert answer.status == 200, answer.data


def _in_background(kubectl: Kubectl, *arguments: str) -> Callable[[], tuple[str, int]]:
    """Starts it; the result is called for its output and exit code."""
    process = subprocess.Popen(kubectl.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result() -> tuple[str, int]:
        try:
            output, _ = process.communicate(timeout=40)
        finally:
            process.kill()
        return output, process.returncode

    return result


def test_outputs_of_every_form(kubectl: Kubectl, admin: Api) -> None:
    for name, node in (("b", "n2"), ("a", "n1")):
        admin.post(f"/api/v1/namespaces/{kubectl.namespace}/pods", pod(name, nodeName=node))
    assert kubectl("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name}{' '}{end}") == "a b "
    assert kubectl("get", "pods", "-o", "go-template={{range .items}}{{.spec.nodeName}},{{end}}") == "n1,n2,"
    columns = kubectl("get", "pods", "-o", "custom-columns=N:.metadata.name,NODE:.spec.nodeName")
    assert [line.split() for line in columns.splitlines()] == [["N", "NODE"], ["a", "n1"], ["b", "n2"]]
    assert kubectl("get", "pods", "--sort-by=.spec.nodeName", "-o", "name") == "pod/a\npod/b\n"
    assert kubectl("get", "pods", "--sort-by={.metadata.creationTimestamp}").splitlines()[0].startswith("NAME")
    assert kubectl("get", "pods", "--field-selector=spec.nodeName=n2", "-o", "name") == "pod/b\n"
    everywhere = kubectl("get", "pods", "-A", "--field-selector=spec.nodeName=n2")
    assert kubectl.namespace in everywhere
    assert "kind: Pod" in kubectl("get", "pod", "a", "-o", "yaml")
    assert "app=a" in kubectl("get", "pods", "--show-labels")
    assert kubectl("get", "pods", "-L", "app").splitlines()[0].split()[-1] == "APP"
    raw = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/pods"))
    assert [item["metadata"]["name"] for item in raw["items"]] == ["a", "b"]
    assert kubectl("get", "pods", "--chunk-size=1", "-o", "name") == "pod/a\npod/b\n"
    assert "No resources found" in kubectl.done("get", "configmaps", "-l", "no=such").stderr


def test_get_w_shows_what_comes(kubectl: Kubectl, admin: Api) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods"
    admin.post(path, pod("first"))
    watching = subprocess.Popen(
        kubectl.command("get", "pods", "-w", "-o", "name"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines: list[str] = []
    assert watching.stdout is not None
    reader = threading.Thread(target=lines.extend, args=(iter(watching.stdout.readline, ""),), name="kubectl -w")
    reader.start()
    try:
        until(lambda: "pod/first\n" in lines)
        admin.post(path, pod("second"))
        until(lambda: "pod/second\n" in lines)
    finally:
        watching.kill()
        watching.wait(10)
        reader.join(10)


def test_what_is_there_is_told(kubectl: Kubectl) -> None:
    rows = {line.split()[0]: line for line in kubectl("api-resources", "--no-headers").splitlines()}
    assert " deploy " in rows["deployments"]
    assert " pvc " in rows["persistentvolumeclaims"]
    assert {"pods", "nodes", "replicasets", "componentstatuses", "podtemplates", "endpointslices"} <= rows.keys()
    assert {"v1", "apps/v1", "events.k8s.io/v1", "coordination.k8s.io/v1"} <= set(kubectl("api-versions").split())
    assert "is running at" in kubectl("cluster-info")
    assert "v1.32.0+steersman" in kubectl("version")
    explained = kubectl("explain", "deployment.spec.template.spec.containers")
    assert "imagePullPolicy" in explained
    assert "replicas" in kubectl("explain", "rc", "--recursive")
    assert kubectl("get", "--raw", "/readyz") == "ok"
    health = kubectl("get", "componentstatuses")
    assert health.splitlines()[0].split() == ["NAME", "STATUS", "MESSAGE", "ERROR"]
    assert "Healthy" in next(line for line in health.splitlines() if line.startswith("etcd-0"))


def test_who_one_is_and_what_one_may(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "Verbs" in kubectl("auth", "can-i", "--list")
    if not kubectl.is_old:
        assert "kubernetes-admin" in kubectl("auth", "whoami")


def test_debug_adds_a_container(kubectl: Kubectl, admin: Api) -> None:
    if kubectl.is_old:
        pytest.skip("kubectl 1.20 sends a form of it that Kubernetes gave up before it was stable")
    admin.post(f"/api/v1/namespaces/{kubectl.namespace}/pods", pod("web"))
    kubectl("debug", "web", "--image=tools:1", "--container=looker", "--attach=false", "--profile=general")
    shown = kubectl("get", "pod", "web", "-o", "jsonpath={.spec.ephemeralContainers[*].name}")
    assert shown == "looker"


def test_cordon_taint_and_drain(kubectl: Kubectl, admin: Api, request: pytest.FixtureRequest) -> None:
    node = f"node-{kubectl.namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/nodes/{node}"))
    assert admin.post("/api/v1/nodes", {"metadata": {"name": node}}).status == 201
    assert kubectl("cordon", node) == f"node/{node} cordoned\n"
    assert "SchedulingDisabled" in kubectl("get", "node", node)
    assert kubectl("uncordon", node) == f"node/{node} uncordoned\n"
    assert kubectl("taint", "node", node, "a=b:NoSchedule") == f"node/{node} tainted\n"
    assert "a=b:NoSchedule" in kubectl("describe", "node", node)
    assert kubectl("taint", "node", node, "a-") == f"node/{node} untainted\n"
    kubectl("create", "-f", "-", stdin=CONTROLLER)
    owner = admin.get(f"/api/v1/namespaces/{kubectl.namespace}/replicationcontrollers/web").json["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ReplicationController", "name": "web", "uid": owner, "controller": True}
    resident = pod("resident", nodeName=node, terminationGracePeriodSeconds=0)
    resident["metadata"]["ownerReferences"] = [reference]
    assert admin.post(f"/api/v1/namespaces/{kubectl.namespace}/pods", resident).status == 201
    output = kubectl("drain", node, "--timeout=30s")
    assert "pod/resident evicted" in output
    if not kubectl.is_old:
        assert f"node/{node} drained" in output
    assert "NotFound" in kubectl.refused("get", "pod", "resident")


def test_events_are_listed_and_described(kubectl: Kubectl, admin: Api) -> None:
    made = admin.post(f"/api/v1/namespaces/{kubectl.namespace}/pods", pod("web")).json
    about = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "web",
        "namespace": kubectl.namespace,
        "uid": made["metadata"]["uid"],
    }
    event = {
        "metadata": {"name": "web.1"},
        "involvedObject": about,
        "reason": "Pulled",
        "message": "the image is here",
        "type": "Normal",
        "source": {"component": "kubelet"},
        "firstTimestamp": "2024-01-01T00:00:00Z",
        "lastTimestamp": "2024-01-01T00:00:00Z",
        "count": 3,
    }
    assert admin.post(f"/api/v1/namespaces/{kubectl.namespace}/events", event).status == 201
    listed = kubectl("get", "events")
    assert listed.splitlines()[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "pod/web" in listed
    assert "the image is here" in kubectl("describe", "pod", "web")
    assert "Pulled" in kubectl("get", "events.events.k8s.io", "--field-selector=regarding.name=web")
    if not kubectl.is_old:
        assert "the image is here" in kubectl("events", "--for=pod/web")


def test_what_is_wrong_is_said_as_for_kubernetes(kubectl: Kubectl) -> None:
    typo = kubectl.refused("create", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicass: 2"))
    assert "unknown field" in typo
    assert "replicass" in typo
    mismatch = kubectl.refused(
        "create", "-f", "-", stdin=DEPLOYMENT.replace("{labels: {app: web}}", "{labels: {app: x}}")
    )
    assert 'The Deployment "web" is invalid: spec.template.metadata.labels: Invalid value' in mismatch
    assert "`selector` does not match template `labels`" in mismatch
    typed = kubectl.refused(
        "create", "-f", "-", "--validate=false", stdin=CONTROLLER.replace("replicas: 2", "replicas: x")
    )
    assert "cannot unmarshal string into Go struct field" in typed
    kind = kubectl.refused("create", "-f", "-", stdin="apiVersion: v1\nkind: Gadget\nmetadata: {name: x}\n")
    assert 'no matches for kind "Gadget" in version "v1"' in kind
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    assert "AlreadyExists" in kubectl.refused("create", "-f", "-", stdin=DEPLOYMENT)
    frozen = kubectl.refused("patch", "deploy", "web", "-p", '{"spec":{"selector":{"matchLabels":{"a":"b"}}}}')
    assert "spec.selector: Invalid value" in frozen
    assert "field is immutable" in frozen


def test_storage_is_listed_with_its_columns(kubectl: Kubectl, admin: Api, request: pytest.FixtureRequest) -> None:
    volume = f"pv-{kubectl.namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/persistentvolumes/{volume}"))
    kubectl(
        "create",
        "-f",
        "-",
        stdin=f"""
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {volume}}}
spec: {{capacity: {{storage: 1Gi}}, accessModes: [ReadWriteOnce], hostPath: {{path: /data}}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: claim}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
""",
    )
    row = kubectl("get", "pv", volume, "--no-headers").split()
    assert row[1:5] == ["1Gi", "RWO", "Retain", "Pending"]
    assert kubectl("get", "pvc", "--no-headers").split()[:2] == ["claim", "Pending"]
    assert "Access Modes" in kubectl("describe", "pvc", "claim")
    assert "HostPath" in kubectl("describe", "pv", volume)

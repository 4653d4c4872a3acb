"""The newest kubectl, with no special flag."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests_apiserver import KUBECTL, Api, Running, pod

from tests.e2e.waiting import until

RC = """
apiVersion: v1
kind: ReplicationController
metadata:
  name: frontend
spec:
  replicas: 3
  selector: {app: guestbook}
  template:
    metadata:
      labels: {app: guestbook}
    spec:
      containers:
      - name: php
        image: gb-frontend:v4
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: frontend, labels: {app: guestbook}}
spec:
  type: NodePort
  ports: [{port: 80, nodePort: NODEPORT}]
  selector: {app: guestbook}
"""


def _manifest(node_port: int) -> str:
    return RC.replace("NODEPORT", str(node_port))


def test_a_manifest_is_created_shown_scaled_and_deleted(kubectl: Callable[..., Any]) -> None:
    made = kubectl("create", "-f", "-", stdin=_manifest(30001)).stdout
    assert made == "replicationcontroller/frontend created\nservice/frontend created\n"
    header, row = kubectl("get", "rc", "-o", "wide").stdout.splitlines()
    assert header.split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[:4] + row.split()[5:] == ["frontend", "3", "0", "0", "php", "gb-frontend:v4", "app=guestbook"]
    assert "80:30001/TCP" in kubectl("get", "svc", "frontend").stdout
    assert kubectl("scale", "rc", "frontend", "--replicas=5").stdout == "replicationcontroller/frontend scaled\n"
    assert kubectl("get", "rc", "frontend", "-o", "jsonpath={.spec.replicas}").stdout == "5"
    assert "0 current / 5 desired" in kubectl("describe", "rc", "frontend").stdout
    gone = kubectl("delete", "rc,svc", "--all").stdout
    assert 'replicationcontroller "frontend" deleted' in gone
    assert 'service "frontend" deleted' in gone


def test_apply_changes_only_what_changed(kubectl: Callable[..., Any]) -> None:
    kubectl("apply", "-f", "-", stdin=_manifest(30002))
    again = kubectl("apply", "-f", "-", stdin=_manifest(30002)).stdout
    assert again == "replicationcontroller/frontend unchanged\nservice/frontend unchanged\n"
    changed = kubectl("apply", "-f", "-", stdin=_manifest(30002).replace("v4", "v5")).stdout
    assert "replicationcontroller/frontend configured" in changed
    assert kubectl("apply", "--dry-run=server", "-f", "-", stdin=_manifest(30002)).returncode == 0
    assert kubectl("diff", "-f", "-", stdin=_manifest(30002).replace("v4", "v5")).stdout == ""


def test_what_is_wrong_is_said_as_for_kubernetes(kubectl: Callable[..., Any]) -> None:
    bad = _manifest(30003).replace("replicas: 3", "replicass: 3").replace("30003", "80")
    said = kubectl("create", "-f", "-", stdin=bad, ok=False).stderr
    assert 'strict decoding error: unknown field "spec.replicass"' in said
    assert "The range of valid ports is 30000-32767" in said
    typed = kubectl("create", "-f", "-", stdin=_manifest(30003).replace("replicas: 3", "replicas: x"), ok=False).stderr
    assert "cannot unmarshal string into Go struct field ReplicationControllerSpec.spec.replicas of type int32" in typed
    mismatch = _manifest(30004).replace("selector: {app: guestbook}\n  template", "selector: {app: x}\n  template")
    assert (
        "`selector` does not match template `labels`" in kubectl("create", "-f", "-", stdin=mismatch, ok=False).stderr
    )
    assert kubectl("get", "pods", "nope", ok=False).stderr == 'Error from server (NotFound): pods "nope" not found\n'
    kind = kubectl("create", "-f", "-", stdin="apiVersion: v1\nkind: Gadget\nmetadata: {name: x}\n", ok=False).stderr
    assert 'no matches for kind "Gadget" in version "v1"' in kind


def test_daily_verbs(kubectl: Callable[..., Any], admin: Api, namespace: str) -> None:
    admin.post(f"/api/v1/namespaces/{namespace}/pods", pod("web"))
    assert kubectl("label", "pod", "web", "tier=front").stdout == "pod/web labeled\n"
    assert kubectl("annotate", "pod", "web", "note=x").stdout == "pod/web annotated\n"
    assert kubectl("get", "pods", "-l", "tier in (front)", "-o", "name").stdout == "pod/web\n"
    assert kubectl("get", "pods", "--field-selector", "status.phase=Running").stdout == ""
    assert "name: web" in kubectl("get", "pod", "web", "-o", "yaml").stdout
    patched = kubectl("patch", "pod", "web", "-p", '{"spec":{"containers":[{"name":"c","image":"pause:9"}]}}')
    assert patched.stdout == "pod/web patched\n"
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    kubectl("create", "namespace", f"{namespace}-more")
    assert "containers\t<[]Container> -required-" in kubectl("explain", "pod.spec").stdout
    resources = kubectl("api-resources", "--no-headers").stdout
    assert "po " in next(line for line in resources.splitlines() if line.startswith("pods"))
    assert "v1" in kubectl("api-versions").stdout.split()
    assert "Status:" in kubectl("describe", "pod", "web").stdout
    assert "Server Version: v1.32.0+steersman" in kubectl("version").stdout
    assert "is running at" in kubectl("cluster-info").stdout
    assert kubectl("get", "--raw", "/livez").stdout == "ok"
    assert kubectl("delete", "pod", "web", "--wait").stdout == f'pod "web" deleted from {namespace} namespace\n'


def test_get_w_shows_rows_as_they_change(
    server: Running, kubectl: Callable[..., Any], admin: Api, namespace: str, tmp_path: Path
) -> None:
    assert KUBECTL is not None
    path = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(path, pod("first"))
    shown = tmp_path / "rows"
    with shown.open("w") as output:
        watching = subprocess.Popen(
            [KUBECTL, "--kubeconfig", tmp_path / "kubeconfig", "-n", namespace, "get", "pods", "-w"], stdout=output
        )
        try:
            until(lambda: "first" in shown.read_text())
            admin.post(path, pod("second"))
            until(lambda: "second" in shown.read_text())
            admin.patch(f"{path}/second/status", {"status": {"phase": "Running"}}, "merge")
            until(lambda: "Running" in shown.read_text())
        finally:
            watching.terminate()
            watching.wait(10)
    lines = shown.read_text().splitlines()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["first", "0/1", "Pending"],
        ["second", "0/1", "Pending"],
        ["second", "0/1", "Running"],
    ]


def test_edit_replaces_the_object(kubectl: Callable[..., Any], monkeypatch: Any, namespace: str) -> None:
    kubectl("create", "configmap", "c", "--from-literal=a=old")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/old/new/")
    assert kubectl("edit", "configmap", "c").stdout == "configmap/c edited\n"
    assert kubectl("get", "configmap", "c", "-o", "jsonpath={.data.a}").stdout == "new"

"""`auth reconcile` beside kubectl 1.20's: later ones break on their own namespaces."""

from pathlib import Path

import pytest
from both import Both
from kubectls import OLD
from tests_apiserver import Api

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, labels: {a: b}}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
- {apiGroups: [""], resources: [services, "*/scale"], resourceNames: [a, b], verbs: ["*"]}
- {apiGroups: ["*"], resources: [deployments], verbs: [get, list]}
"""
BINDING = """
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects:
- {kind: User, name: eve, apiGroup: rbac.authorization.k8s.io}
- {kind: ServiceAccount, name: s, namespace: default}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: none-of-its-business}
"""
OTHER_ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, labels: {a: z, c: d}}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, watch]}
- {apiGroups: [""], resources: [services, deployments/scale, nodes], resourceNames: [a, c], verbs: [get, list]}
- {apiGroups: [apps, batch], resources: [deployments], verbs: [get, watch]}
"""
FILES = {
    "first": ROLE + BINDING,
    "second": OTHER_ROLE + BINDING.replace("eve", "adam"),
    "third": ROLE + BINDING.replace("name: r}", "name: other}"),
}
LINES = """
auth reconcile -f first.yaml --dry-run=client
get role,rolebinding,cm -o name
auth reconcile -f first.yaml
auth reconcile -f first.yaml
auth reconcile -f second.yaml --dry-run=client
auth reconcile -f second.yaml
get role r -o jsonpath={.rules}{.metadata.labels}
get rolebinding b -o jsonpath={.subjects}
auth reconcile -f second.yaml --remove-extra-permissions --remove-extra-subjects
get role r -o jsonpath={.rules}
get rolebinding b -o jsonpath={.subjects}
auth reconcile -f third.yaml --dry-run=client
auth reconcile -f third.yaml
get rolebinding b -o jsonpath={.roleRef}
auth reconcile -f third.yaml -o name
auth reconcile -f third.yaml -o yaml
annotate role r rbac.authorization.kubernetes.io/autoupdate=false
auth reconcile -f second.yaml
auth reconcile -f second.yaml --remove-extra-permissions
get role r -o jsonpath={.rules}
get cm none-of-its-business
auth reconcile
auth reconcile x -f first.yaml
auth reconcile -f nosuch.yaml
"""


@pytest.fixture
def old(spaces: tuple[str, str], kubeconfig: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> Both:
    for name, text in FILES.items():
        (folder / f"{name}.yaml").write_text(text)
    return Both(spaces, kubeconfig, folder, capsys, loose=True, generation=OLD)


def test_the_same_is_granted_and_told(old: Both) -> None:
    old.same(LINES.strip().splitlines())


def test_the_namespace_is_made(old: Both, admin: Api) -> None:
    for space in old.spaces:
        path = f"/api/v1/namespaces/{space}"
        admin.delete(path)
        assert admin.put(f"{path}/finalize", {**admin.get(path).json, "spec": {"finalizers": []}}).status == 200
        assert admin.get(path).status == 404
    old.same(["auth reconcile -f first.yaml", "get role -o name"])


def test_the_server_tries_none(old: Both) -> None:
    told = old.steer("auth", "reconcile", "-f", "first.yaml", "--dry-run=server")
    assert told == ("", "error: --dry-run=server for command reconcile is not supported yet\n", 1)

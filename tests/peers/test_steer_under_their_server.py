"""steer and kubectl 1.32 at a real kube-apiserver, with kinds and verbs that ours does not serve: the same words."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.apiserver_clients.both import Both
from tests.apiserver_clients.kubectls import DEPLOYMENT, MIDDLE
from tests.e2e.doors import Api
from tests.peers.alike import within
from tests.peers.mixed import Mixed

pytestmark = pytest.mark.peer

AUTOSCALED = """
create -f web.yaml
autoscale deploy web --min=2 --max=5 --cpu-percent=80
autoscale deploy web --min=2 --max=5 --cpu-percent=80
autoscale deploy web --max=5 --name=other -o yaml
autoscale deploy web --max=5 --name=third --dry-run=server
autoscale deploy nosuch --max=5
get hpa
get hpa web -o jsonpath={.spec}
get hpa other -o jsonpath={.spec}
"""
CERTIFIED = """
create -f csr-NAMESPACE.yaml
certificate approve first-NAMESPACE
certificate approve first-NAMESPACE
certificate deny first-NAMESPACE
certificate deny second-NAMESPACE
certificate approve nosuch
certificate approve -f csr-NAMESPACE.yaml
get csr first-NAMESPACE -o jsonpath={.status.conditions[*].type}
get csr second-NAMESPACE -o jsonpath={.status.conditions[*].type}
"""
APPLIED_BY_SERVER = """
apply -f web.yaml --server-side
apply -f web.yaml --server-side
apply -f web.yaml --server-side -o name
apply -f more.yaml --server-side --dry-run=server
get deploy web -o jsonpath={.spec.replicas}
patch deploy web -p {"spec":{"replicas":7}}
apply -f more.yaml --server-side --force-conflicts -o jsonpath={.spec.replicas}
get deploy web -o jsonpath={.spec.replicas}
"""
EVERY_DAY = """
apply -f web.yaml
apply -f web.yaml
apply -f more.yaml -o name
get deploy,hpa,svc
get deploy web -o wide
get deploy web --show-labels
get deploy nosuch
get nosuch
scale deploy web --replicas=3
set image deploy/web php=x:9
label deploy web a=b
annotate deploy web a=b
patch deploy web -p {"spec":{"replicas":1}}
wait deploy/web --for=jsonpath={.spec.replicas}=1 --timeout=5s
wait deploy/web --for=condition=Available --timeout=1s
expose deploy web --port=80
describe cm nosuch
run p --image=x
get pod p -o jsonpath={.spec.containers[0].image}
create quota q --hard=pods=1
describe quota q
create role r --verb=get --resource=pods
create rolebinding b --role=r --user=eve
auth can-i create pods
auth can-i get nodes --as=eve
api-versions
api-resources --api-group=autoscaling
api-resources --api-group=batch
top pods
delete pod p --force
delete deploy web -o name
"""
LINES = {
    "autoscaled": AUTOSCALED,
    "certified": CERTIFIED,
    "applied-by-server": APPLIED_BY_SERVER,
    "every-day": EVERY_DAY,
}


def _requests(folder: Path, space: str) -> str:
    """Two signing requests of a namespace's own: they have no namespace themselves."""
    made = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key", "-subj", "/CN=eve"],
        capture_output=True,
        check=True,
    ).stdout
    spec = f"{{request: {base64.b64encode(made).decode()}, signerName: example.com/none, usages: [client auth]}}"
    return "".join(
        "---\napiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\n"
        f"metadata: {{name: {name}-{space}}}\nspec: {spec}\n"
        for name in ("first", "second")
    )


@pytest.fixture
def both(
    their_master: Mixed, their_api: Api, tmp_path: Path, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> Both:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    name = request.node.callspec.id if hasattr(request.node, "callspec") else "steer"
    spaces = (f"{name}-a", f"{name}-b")
    for space in spaces:
        path = within(their_api, space)
        their_api.call("POST", f"{path}/serviceaccounts", json={"metadata": {"name": "default"}})
        (tmp_path / f"csr-{space}.yaml").write_text(_requests(tmp_path, space))
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)
    (tmp_path / "more.yaml").write_text(DEPLOYMENT.replace("replicas: 2", "replicas: 4"))
    return Both(spaces, their_master.cluster.kubeconfig, tmp_path, capsys, loose=True, generation=MIDDLE)


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_the_same_words_have_the_same_answer(both: Both, lines: str) -> None:
    # kubectl 1.32 does not tell the namespace of what it deletes, the newest does.
    differing = [
        found
        for line in lines.strip().splitlines()
        if (found := both.differ(line, line.split(" "))) and " from NAMESPACE namespace" not in found
    ]
    assert not differing, "\n".join(differing)


def test_a_server_without_the_newer_openapi_explains(both: Both) -> None:
    told, wrong, code = both.steer("explain", "deploy.spec.replicas")
    assert (wrong, code) == ("", 0)
    assert "FIELD: replicas <integer>" in told
    assert "Number of desired pods" in told

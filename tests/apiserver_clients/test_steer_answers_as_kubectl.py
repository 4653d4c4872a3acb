"""Verbs of steer that need no node: the same words in a namespace each, the same output and exit code as kubectl's."""

import re
from pathlib import Path

import pytest
from both import Both
from kubectls import DEPLOYMENT
from tests_apiserver import Api

from cli.steer.main import main

# kubectl has no order for the resources of one limit, nor for the keys of one map that variables are made of.
LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec:
  limits:
  - {type: Container, max: {cpu: "2"}, min: {cpu: 10m}, default: {cpu: 500m}, defaultRequest: {cpu: 100m}}
  - {type: Pod, max: {memory: 4Gi}}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
SAME = """
label deploy web a=b
label deploy web a=b
label deploy web a=c
label deploy web a=c --overwrite
label deploy web a-
label deploy web nope-
label deploy nosuch a=b
label deploy --all z=1
annotate deploy web a=b
annotate deploy web a=c
annotate deploy web a-
expose deploy web --port=80 --target-port=8080
expose deploy web --port=80
expose deploy web --name=w2 --type=NodePort
expose svc web --name=w3 --port=81
get svc web -o jsonpath={.spec.ports}{.spec.selector}{.metadata.labels}
run p1 --image=x:1 --port=80 --env=A=b --labels=a=b
run p2 --image=x --dry-run=client -o yaml --restart=Never --command -- a b
run p3 --image=x --expose --port=80
set image deploy/web php=y:2
set image deploy/web web=x:2
set image deploy/web '*=x:3'
set image deploy/web php=x:3
set image deploy/web php=z:9 --dry-run=client -o jsonpath={.spec.template.spec.containers[0].image}
set image deploy/web nosuch=z:9
set env deploy/web A=b C=d
set env deploy/web A=b
set env deploy/web --list
set env deploy/web A-
set env deploy/nosuch A=b
set env deploy/web
set env deploy/web A=b A-
set env deploy/web A=b -c nosuch
set env deploy/web X=1 --dry-run=client
set env deploy/web X=1 Y=2 --dry-run=client -o jsonpath={.spec.template.spec.containers[0].env}
set env deploy/web C=e --overwrite=false
set env deploy/web 1A=2
create cm vars --from-literal=a-b=1
create secret generic hidden --from-literal=pw=zz
set env deploy/web --from=configmap/vars --prefix=P_
set env deploy/web --from=secret/hidden
set env deploy/web --from=cm/vars --keys=a-b
set env deploy/web --from=cm/nosuch
set env deploy/web --list
set env deploy/web --list --resolve
set env deploy --all Q=1
get deploy web -o jsonpath={.spec.template.spec.containers[0].env}
set resources deploy/web --limits=cpu=200m,memory=512Mi --requests=cpu=100m
set resources deploy/web --limits=cpu=200m,memory=512Mi --requests=cpu=100m
set resources deploy/web
set resources deploy/web --limits=cpu=x
set resources deploy/web -c nosuch --limits=cpu=1
set resources svc/web --limits=cpu=1
get deploy web -o jsonpath={.spec.template.spec.containers[0].resources}
set serviceaccount deploy/web s
set sa deploy web s
set serviceaccount deploy/web
set serviceaccount svc/web x
get deploy web -o jsonpath={.spec.template.spec.serviceAccountName}
set selector svc/web x=y
set selector deploy web a=b
get svc web -o jsonpath={.spec.selector}
create rolebinding b --clusterrole=view --user=u
set subject rolebinding b --user=u2 --group=g2 --serviceaccount=default:s
set subject rolebinding b --user=u2
set subject rolebinding b
set subject rolebinding b --serviceaccount=x
set subject deploy web --user=u
get rolebinding b -o jsonpath={.subjects}
create quota used --hard=pods=9,services=20,requests.cpu=2
create quota scoped --hard=pods=9 --scopes=NotTerminating,BestEffort
describe quota used
describe quota scoped
describe ns NAMESPACE
create -f limits.yaml
describe limits
describe ns NAMESPACE
create role r --verb=get,list --resource=pods,pods/log,deployments.apps/scale --resource-name=x
describe role r
describe clusterrole view
describe clusterrole system:discovery
describe rolebinding b
describe clusterrolebinding cluster-admin
create pdb p --selector=a=b --min-available=1
create pdb q --selector=a=b --max-unavailable=50%
describe pdb p
describe pdb
describe priorityclass system-node-critical
create -f claim.yaml
describe pvc c
create -f odd.yaml
create -f odd.yaml --validate=x
create -f odd.yaml --validate=warn
replace -f odd.yaml --validate=warn
apply -f odd.yaml --validate=ignore
apply -f odd.yaml --validate=warn
delete cm odd
create -f odd.yaml --validate=false
events
events --for deploy/web
events --for nosuch/x
events --for deploy
events --types=X
events -o name
rollout history deploy/web
rollout pause deploy/web
rollout pause deploy/web
rollout resume deploy/web
rollout resume deploy/web
rollout restart deploy/web
rollout undo deploy/web
rollout undo deploy/web --to-revision=9
rollout status deploy/web --timeout=1s
wait pod/nosuch --for=delete
wait pod/nosuch --for=condition=Ready
wait deploy/web --for=jsonpath={.spec.replicas}=2
wait deploy/web --for=jsonpath={.spec.replicas}=3 --timeout=1s
wait pod -l nosuch=1 --for=condition=Ready
wait pod/p1 --for=x
api-versions
auth can-i create pods
auth can-i create nosuch
auth can-i get /healthz
auth can-i get nodes
auth whoami
taint nodes nosuch a=b:NoSchedule
taint nodes nosuch a=b:X
get pods -o go-template='{{range .items}}{{.metadata.name}} {{.status.phase}}{{"\\n"}}{{end}}'
get pod p1 -o template --template='{{.metadata.name}}{{if .spec.nodeName}}N{{else}}-{{end}}'
get pod p1 -o go-template='{{.x'
get pod p1 -o go-template='{{nosuch .}}'
delete pod p1
"""


def test_the_same_words_have_the_same_answer(loosely: Both, folder: Path) -> None:
    loosely.create(DEPLOYMENT)
    (folder / "limits.yaml").write_text(LIMITS)
    (folder / "claim.yaml").write_text(CLAIM)
    odd = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd, nosuch: 1}\ndata: {a: b}\nnorthis: 2\n"
    (folder / "odd.yaml").write_text(odd)
    loosely.same(line.replace("\\\\n", "\\n") for line in SAME.strip().splitlines())


def steer(kubeconfig: Path, space: str, *words: str) -> int:
    return main([f"--kubeconfig={kubeconfig}", "-n", space, *words])


def test_an_object_is_edited_in_the_editor_that_is_named(
    admin: Api, kubeconfig: Path, namespace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    admin.post(path, {"metadata": {"name": "c"}, "data": {"a": "one", "b": "two"}})
    monkeypatch.setenv("EDITOR", "sed -i -e s/one/three/ -e /two/d")
    assert steer(kubeconfig, namespace, "edit", "cm", "c") == 0
    assert capsys.readouterr().out == "configmap/c edited\n"
    assert admin.get(f"{path}/c").json["data"] == {"a": "three"}
    monkeypatch.setenv("EDITOR", "true")
    assert steer(kubeconfig, namespace, "edit", "cm", "c") == 0
    assert capsys.readouterr().err == "Edit cancelled, no changes made.\n"
    monkeypatch.setenv("EDITOR", "sed -i 's/name:.c/name: d/'")
    assert steer(kubeconfig, namespace, "edit", "cm", "c") == 1
    said = capsys.readouterr().err
    assert "error: Edit cancelled, no valid changes were saved." in said
    kept = re.search(r'stored to "(.*)"', said)
    assert kept is not None
    assert "name: d" in Path(kept[1]).read_text()
    Path(kept[1]).unlink()


def test_taints_are_put_on_changed_and_taken_off(
    admin: Api, kubeconfig: Path, namespace: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    node = f"node-{namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/nodes/{node}"))
    admin.post("/api/v1/nodes", {"metadata": {"name": node}})
    for words, said in (
        (["a=b:NoSchedule", "c:NoExecute"], f"node/{node} tainted\n"),
        (["a=c:NoSchedule", "--overwrite"], f"node/{node} modified\n"),
        (["a:NoSchedule-", "c-"], f"node/{node} untainted\n"),
    ):
        assert steer(kubeconfig, namespace, "taint", "node", node, *words) == 0
        assert capsys.readouterr().out == said
    # Every new node has this one until it is ready.
    unready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    assert admin.get(f"/api/v1/nodes/{node}").json["spec"]["taints"] == [unready]
    assert steer(kubeconfig, namespace, "taint", "node", node, "a-") == 1
    assert capsys.readouterr().err == 'error: taint "a" not found\n'


def test_a_diff_tells_what_apply_would_change(
    kubeconfig: Path, namespace: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "map.yaml"
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {a: "1"}\n'
    file.write_text(text)
    assert steer(kubeconfig, namespace, "diff", "-f", str(file)) == 1
    assert '+  a: "1"' in capfd.readouterr().out
    assert steer(kubeconfig, namespace, "apply", "-f", str(file)) == 0
    assert steer(kubeconfig, namespace, "diff", "-f", str(file)) == 0
    capfd.readouterr()
    file.write_text(text.replace('"1"', '"2"'))
    assert steer(kubeconfig, namespace, "diff", "-f", str(file)) == 1
    shown = capfd.readouterr().out
    assert '-  a: "1"\n+  a: "2"' in shown

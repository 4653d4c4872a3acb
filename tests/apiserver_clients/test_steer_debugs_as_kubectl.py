"""`steer debug`: the containers, copies and pods that kubectl makes, and its refusals."""

import json
import re
import shlex

import pytest
from both import Both
from tests_apiserver import Api

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {a: b}, annotations: {note: one}}
spec:
  automountServiceAccountToken: false
  initContainers: [{name: i, image: x}]
  containers:
  - {name: c, image: x, args: [q], livenessProbe: {exec: {command: [a]}}, readinessProbe: {exec: {command: [a]}}}
  - {name: d, image: x, startupProbe: {exec: {command: [a]}}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {w: w}}
  template: {metadata: {labels: {w: w}}, spec: {containers: [{name: x, image: x}]}}
"""
SPEC = "get pod {} -o jsonpath={{.metadata.labels}}{{.metadata.annotations}}{{.spec}}"
EPHEMERAL = "get pod p1 -o jsonpath={.spec.ephemeralContainers}"
SAME = [
    "debug p1 --image=x -c dbg --target=c --env=A=b --image-pull-policy=Always -- sh -c 1",
    "debug p1 --image=x -c dbg2 -i --attach=false --arguments-only -- sh",
    *(f"debug p1 --image=x -c {name} --profile={name}" for name in ("general", "baseline", "netadmin", "restricted")),
    "debug p1 --image=x -c admin --profile=sysadmin",
    EPHEMERAL,
    "debug p1 --image=x -c dbg",
    "debug p1 --image=x -c dbgx -t",
    *(
        line
        for name, words in (
            ("c1", "--image=x -c dbg"),
            ("c2", "--set-image=*=y,c=z --keep-labels --keep-annotations --keep-liveness"),
            ("c3", "--container=c --keep-startup --keep-readiness -- sh -c 2"),
            ("c4", "--container=c --image=z --share-processes=false --same-node --keep-init-containers=false"),
            ("c5", "--image=z -c new --profile=netadmin"),
            ("c6", "--image=z -c new --profile=sysadmin --share-processes"),
            ("c7", "--image=z -c new --profile=restricted"),
            ("c8", "--image=z -c new --profile=baseline --env=A=b"),
            ("c9", "--image=z -c d --arguments-only --set-image=c=y -- one"),
        )
        for line in (f"debug p1 --copy-to={name} {words}", SPEC.format(name))
    ),
    "debug p1 --copy-to=c1 --image=x -c dbg",
    "debug p1 --copy-to=ca --container=nosuch -- sh",
    "debug p1 --copy-to=ca",
    "debug p1 --target=c",
    "debug p1 --image=x --set-image=c=y",
    "debug p1 --image=x --replace",
    "debug p1 --image=x --same-node",
    "debug p1 --copy-to=ca --image=x --target=c",
    "debug p1 --image=x --profile=nosuch",
    "debug p1 --image=x --image-pull-policy=X",
    "debug node/NAMESPACE",
    "debug node/nosuch --image=x",
    "debug nosuch --image=x -c y",
    "debug deploy/web --image=x",
    "debug",
    "debug p1 --copy-to=cb --image=z -c new --replace",
    "get pod cb -o name",
    "get pod p1 -o name",
]


def test_pods_and_copies_of_them(loosely: Both) -> None:
    loosely.create(POD)
    loosely.create(DEPLOYMENT)
    loosely.same(SAME)


@pytest.mark.parametrize("profile", ["general", "baseline", "netadmin", "restricted", "sysadmin"])
def test_nodes(loosely: Both, admin: Api, request: pytest.FixtureRequest, profile: str) -> None:
    for space in loosely.spaces:
        admin.post("/api/v1/nodes", {"metadata": {"name": space}})
        request.addfinalizer(lambda space=space: admin.delete(f"/api/v1/nodes/{space}"))
    words = shlex.split(f"debug node/NAMESPACE --image=x --profile={profile} -- sh")
    told, made = [], []
    for call in (loosely.kubectl, loosely.steer):
        out, err, code = call(*words)
        assert code == 0
        told.append(re.sub(r"NAMESPACE-\w{5}", "NAMESPACE-SUFFIX", out + err))
        [item] = json.loads(call("get", "pods", "-o", "json")[0])["items"]
        text = json.dumps([item["metadata"]["labels"], item["spec"]], sort_keys=True)
        made.append(re.sub(r"kube-api-access-\w{5}", "kube-api-access", text))
    assert told[0] == told[1]
    assert made[0] == made[1]


def test_a_container_without_a_name_is_given_one(loosely: Both) -> None:
    loosely.create(POD)
    for words in ("--image=x", "--image=x --copy-to=c1", "--image=x -q", "--copy-to=c2 -- sh"):
        answers = [call(*shlex.split(f"debug p1 {words}")) for call in (loosely.kubectl, loosely.steer)]
        theirs, ours = ([re.sub(r"debugger-\w{5}", "debugger-SUFFIX", text) for text in one[:2]] for one in answers)
        assert (ours, answers[1][2]) == (theirs, answers[0][2]), words

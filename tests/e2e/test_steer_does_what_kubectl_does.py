"""steer and kubectl, called with the same words on the same cluster: the same output and the same exit code."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.e2e.clusters import Cluster, clean_environment
from tests.e2e.doors import Api, Kubectl, Object, is_ready
from tests.e2e.guestbook import TEST_IMAGE
from tests.e2e.pods import controller, pod, service, shell
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.cluster]
STEER = Path(sys.executable).with_name("steer")
KUBECTL = Path(sys.executable).with_name("kubectl")
_AGE = re.compile(r"\b(\d+[ydhms])+\b")

SAME = """
get nodes
get pods
get pods -o wide
get po,svc
get all
get rc web -o yaml
get rc web -o json
get pods -o yaml
get svc -o json
get pods -l 'name in (web)' --show-labels
get pods -L name
get svc,rc -o name
get ns --no-headers
get pods --sort-by=.metadata.name
get nosuch
get pods nosuch
get pods nosuch --ignore-not-found=true
get pod/nosuch svc/web
get svc/web rc/web
get svc web -o jsonpath={.spec.clusterIP}
get pods -o jsonpath='{range .items[*]}{.metadata.labels.name}{"\\t"}{.status.phase}{"\\n"}{end}'
get pods -o custom-columns=NAME:.metadata.name,PHASE:.status.phase,NONE:.spec.nosuch
get
get pods foo -l a=b
get pods -o jsonpath=
get --raw /healthz
api-resources
api-resources -o name --namespaced=false
explain pod
explain pod.spec.containers.resources
explain rc.spec
explain deployment.spec.strategy --recursive
describe pod/single
describe rc
describe rc/web
describe svc web
describe svc web --show-events=false
describe node
describe sa default
describe cm
describe secrets
describe pod nosuch
create -f nosuch.yaml
create -f wanted.yaml --dry-run=client -o name
create -f wrong.yaml
delete pod nosuch
delete rc
delete
scale rc nosuch --replicas=2
scale rc web --replicas=2 --current-replicas=7
patch rc nosuch -p {}
patch rc web -p '{"spec":{"replicas":-1}}'
patch rc web
logs nosuch
logs
logs single
logs single --tail=1
logs single -c nosuch
logs several
logs several --all-containers --prefix
logs several -c nosuch
logs several -c first --all-containers
logs rc/web
logs svc/nosuch
logs marked
exec several -- sh -c 'echo $HOLDS'
exec several -c second -- sh -c 'echo $HOLDS'
exec several -c nosuch -- true
exec marked -- sh -c 'echo $HOLDS'
exec rc/web -- hostname
exec svc/web -- hostname
exec ended -- true
attach ended
attach several -c nosuch
port-forward ended 1
exec nosuch -- true
exec single -- echo hi
exec single -- sh -c 'echo err >&2; exit 3'
exec single -- nosuch
uncordon nosuch
events --for pod/single
events --types=Warning
set env rc/web --list
set env pod/single --list
set resources rc/web --limits=cpu=1 --dry-run=client -o name
config current-context
config get-contexts
config view
config use-context nosuch
get pods --nosuch
"""


@pytest.fixture(scope="module")
def space(kubectl: Kubectl, api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A namespace with a controller of two pods, its service, four pods, a config map and a secret."""
    name = "steer-compared"
    kubectl("create", "namespace", name)
    data = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1", "b": "x\ny\n"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}, "stringData": {"word": "secret"}},
    ]
    [base] = pod("several")["spec"]["containers"]
    first, second = ({**base, "name": one, "env": [{"name": "HOLDS", "value": one}]} for one in ("first", "second"))
    several, marked = pod("several"), pod("marked")
    several["spec"] |= {
        "containers": [first, second],
        "initContainers": [{**base, "name": "before", "command": ["true"]}],
    }
    marked["spec"]["containers"] = [first, second]
    marked["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "second"}
    ended = pod("ended", *shell("true"), restartPolicy="Never")
    single = pod("single", *shell("echo one; echo two; sleep 3600"))
    web = controller("web", 2)
    items = [*data, single, several, marked, ended, web, service("web", 80, selector=web["spec"]["selector"])]
    for item in items:
        item["metadata"]["namespace"] = name
    kubectl.create(*items, namespace=name)

    def all_there() -> bool:
        pods = api.items("pods", name)
        over = [one for one in pods if one["status"]["phase"] == "Succeeded"]
        return len(pods) == 6 and len(over) == 1 and all(is_ready(one) for one in pods if one not in over)

    until(all_there, limit_s=60, what="five pods ready, one ended")
    return name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of the calls lie."""
    made = tmp_path_factory.mktemp("files")
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wanted"}, "data": {"a": "b"}}
    (made / "wanted.yaml").write_text(yaml.safe_dump(wanted))
    wrong = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "Wrong"}, "spec": {"containers": []}}
    (made / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    return made


def run(
    program: Path, cluster: Cluster, folder: Path, space: str, words: list[str], typed: str = ""
) -> tuple[str, str, int]:
    environment = clean_environment(KUBECONFIG=str(cluster.kubeconfig), HOME=str(folder))
    told = subprocess.run(
        [program, "-n", space, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
        check=False, input=typed,
    )  # fmt: skip
    return told.stdout, told.stderr, told.returncode


def alike(text: str) -> str:
    """Without what may differ: ages (and the room they take), and the name of the program."""
    lines = (_AGE.sub("AGE", line) for line in text.replace("kubectl", "steer").splitlines())
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip() for line in lines)


@pytest.mark.parametrize("line", SAME.strip().splitlines())
def test_the_same_words_have_the_same_answer(cluster: Cluster, folder: Path, space: str, line: str) -> None:
    """Called again while the cluster itself changes between the two calls."""
    words = shlex.split(line)
    answers: list[tuple[str, str, int]] = []
    for _ in range(5):
        theirs, ours = (run(program, cluster, folder, space, words) for program in (KUBECTL, STEER))
        answers = [(alike(out), alike(err), code) for out, err, code in (theirs, ours)]
        if answers[0] == answers[1]:
            return
        time.sleep(1)
    assert answers[1] == answers[0]


def test_objects_are_made_changed_and_removed(cluster: Cluster, folder: Path, namespace: str, api: Api) -> None:
    def steer(*words: str) -> str:
        out, err, code = run(STEER, cluster, folder, namespace, list(words))
        assert code == 0, err
        return out

    file = folder / "map.yaml"
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1", "b": "2"}}
    file.write_text(yaml.safe_dump(made))
    assert steer("apply", "-f", "map.yaml") == "configmap/one created\n"
    assert steer("apply", "-f", "map.yaml") == "configmap/one unchanged\n"
    steer("patch", "cm", "one", "--type=merge", "-p", '{"data":{"c":"3"}}')
    file.write_text(yaml.safe_dump({**made, "data": {"a": "9"}}))
    assert steer("apply", "-f", "map.yaml") == "configmap/one configured\n"
    assert api.get(f"/api/v1/namespaces/{namespace}/configmaps/one")["data"] == {"a": "9", "c": "3"}
    assert steer("replace", "-f", "map.yaml") == "configmap/one replaced\n"
    assert api.get(f"/api/v1/namespaces/{namespace}/configmaps/one")["data"] == {"a": "9"}
    assert steer("delete", "-f", "map.yaml") == f'configmap "one" deleted from {namespace} namespace\n'


def wait_ready(api: Api, namespace: str, count: int) -> list[Object]:
    def ready() -> list[Object]:
        pods = [one for one in api.items("pods", namespace) if "deletionTimestamp" not in one["metadata"]]
        return pods if len(pods) == count and all(is_ready(one) for one in pods) else []

    return until(ready, limit_s=60, what=f"{count} pods ready")


def test_a_rolling_update_goes_on_where_it_was_stopped_and_back(
    cluster: Cluster, folder: Path, namespace: str, api: Api, kubectl: Kubectl
) -> None:
    old = controller("web", 2)
    old["metadata"]["namespace"] = namespace
    kubectl.create(old, namespace=namespace)
    before = {one["metadata"]["uid"] for one in wait_ready(api, namespace, 2)}
    image = old["spec"]["template"]["spec"]["containers"][0]["image"]
    other = image.replace(":1", ":latest")
    words = ["rolling-update", "web", f"--image={other}", "--update-period=0s", "--poll-interval=100ms"]
    environment = clean_environment(KUBECONFIG=str(cluster.kubeconfig), HOME=str(folder))
    stopped = subprocess.Popen(
        [STEER, "-n", namespace, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert stopped.stdout is not None
    with stopped:
        for line in stopped.stdout:
            if " down to 1" in line:
                stopped.kill()
                break
    out, err, code = run(STEER, cluster, folder, namespace, [*words, "--rollback"])
    assert code == 0, out + err
    assert [one["metadata"]["name"] for one in api.items("replicationcontrollers", namespace)] == ["web"]
    assert {one["spec"]["containers"][0]["image"] for one in wait_ready(api, namespace, 2)} == {image}
    out, err, code = run(STEER, cluster, folder, namespace, words)
    assert code == 0, out + err
    assert out.endswith("replicationcontroller/web rolling updated\n")
    after = wait_ready(api, namespace, 2)
    assert {one["spec"]["containers"][0]["image"] for one in after} == {other}
    assert not before & {one["metadata"]["uid"] for one in after}
    [left] = api.items("replicationcontrollers", namespace)
    assert left["metadata"]["name"] == "web"
    assert not [key for key in left["metadata"].get("annotations", {}) if key.startswith("kubectl.kubernetes.io/")]


def test_it_debugs_pods_and_nodes(cluster: Cluster, folder: Path, namespace: str, api: Api, kubectl: Kubectl) -> None:
    """A container beside those of a running pod, a copy of the pod, and a pod on the node: each tells what it sees."""
    looked_at = pod("looked-at", *shell("echo $$ > /proc/self/comm; sleep 3600"))
    looked_at["metadata"]["namespace"] = namespace
    kubectl.create(looked_at, namespace=namespace)
    [there] = wait_ready(api, namespace, 1)
    node = there["spec"]["nodeName"]
    flags = f"-q -i --image={TEST_IMAGE} --image-pull-policy=IfNotPresent"
    for line in (
        f"debug looked-at {flags} --target=main -- sh -c 'read go; hostname; cat /proc/1/cmdline'",
        f"debug looked-at {flags} --copy-to=NAME -c look -- sh -c 'read go; hostname'",
        f"debug node/{node} {flags} -- sh -c 'read go; ls -d /host/proc'",
    ):
        # Each waits for a line: what is told before somebody is attached nobody hears.
        answers = [
            run(program, cluster, folder, namespace, shlex.split(line.replace("NAME", name)), "go\n")
            for program, name in ((KUBECTL, "theirs"), (STEER, "ours-x"))
        ]
        theirs, ours = ((alike(out).replace("theirs", "ours-x"), err) for out, err, _ in answers)
        assert ours == theirs, answers
        assert ours[0], line


def test_it_reaches_into_a_pod(cluster: Cluster, folder: Path, space: str) -> None:
    """Copies to and from it, forwards a port, and attaches."""

    def steer(*words: str) -> str:
        out, err, code = run(STEER, cluster, folder, space, list(words))
        assert code == 0, out + err
        return out

    tree = folder / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner/data").write_bytes(bytes(range(256)) * 1000)
    steer("cp", str(tree), "single:/tmp/tree")
    steer("cp", f"{space}/single:/tmp/tree", str(folder / "back"))
    assert (folder / "back/inner/data").read_bytes() == (tree / "inner/data").read_bytes()
    _, err, code = run(STEER, cluster, folder, space, ["cp", "single:/tmp/nosuch", str(folder / "none")])
    assert code != 0
    assert "nosuch" in err
    steer(
        "exec",
        "single",
        "--",
        "sh",
        "-c",
        "mkdir /tmp/www; echo forwarded > /tmp/www/index.html; httpd -p 8099 -h /tmp/www",
    )
    environment = clean_environment(KUBECONFIG=str(cluster.kubeconfig), HOME=str(folder))
    words = [STEER, "-n", space, "port-forward", "pod/single", ":8099"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            assert forwarding.stdout is not None
            first = forwarding.stdout.readline()
            port = int(first.split(":")[1].split()[0])
            assert first == f"Forwarding from 127.0.0.1:{port} -> 8099\n"
            for _ in range(3):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                    assert answer.read() == b"forwarded\n"
        finally:
            forwarding.kill()
    image = json.loads(steer("get", "pod", "single", "-o", "json"))["spec"]["containers"][0]["image"]
    script = "read line; echo got $line; exit 7"
    ran = ["run", "once", f"--image={image}", "--restart=Never", "-i", "--rm", "--command", "--", "sh", "-c", script]
    said = subprocess.run(
        [STEER, "-n", space, *ran],
        env=environment,
        input="word\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "got word" in said.stdout, said.stdout + said.stderr
    assert f'pod "once" deleted from {space} namespace' in said.stdout
    assert "NotFound" in run(STEER, cluster, folder, space, ["get", "pod", "once"])[1]


def test_a_deployment_is_rolled_out_and_back(cluster: Cluster, folder: Path, namespace: str) -> None:
    def steer(*words: str, code: int = 0) -> str:
        out, err, done = run(STEER, cluster, folder, namespace, list(words))
        assert done == code, out + err
        return out

    spec = pod("rolled")["spec"]
    labels = {"app": "rolled"}
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "rolled"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }
    (folder / "rolled.yaml").write_text(yaml.safe_dump(wanted))
    steer("create", "-f", "rolled.yaml")
    done = 'deployment "rolled" successfully rolled out\n'
    assert steer("rollout", "status", "deploy/rolled", "--timeout=60s").endswith(done)
    image = spec["containers"][0]["image"]
    other = image.replace(":1", ":latest")
    assert steer("set", "image", "deploy/rolled", f"main={other}") == "deployment.apps/rolled image updated\n"
    assert steer("rollout", "status", "deploy/rolled", "--timeout=60s").endswith(done)
    for program in (KUBECTL, STEER):
        told, _, _ = run(program, cluster, folder, namespace, ["rollout", "history", "deploy/rolled"])
        assert alike(told).split("\n")[1:4] == ["REVISION  CHANGE-CAUSE", "1  <none>", "2  <none>"]
    answers = [
        run(program, cluster, folder, namespace, ["rollout", "history", "deploy/rolled", "--revision=1"])
        for program in (KUBECTL, STEER)
    ]
    # kubectl leaves the tabs in which it describes a template.
    theirs, ours = ([line.split() for line in out.splitlines()] for out, _, _ in answers)
    assert ours == theirs
    assert steer("rollout", "undo", "deploy/rolled") == "deployment.apps/rolled rolled back\n"
    steer("wait", "deploy/rolled", "--for=condition=Available", "--timeout=60s")
    assert steer("rollout", "status", "deploy/rolled", "--timeout=60s").endswith(done)
    assert steer("get", "deploy", "rolled", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == image
    assert steer("rollout", "restart", "deploy/rolled") == "deployment.apps/rolled restarted\n"
    assert steer("rollout", "status", "deploy/rolled", "--timeout=60s").endswith(done)
    assert steer("delete", "deploy", "rolled", "--cascade=foreground") == (
        f'deployment.apps "rolled" deleted from {namespace} namespace\n'
    )
    assert "No resources found" in run(STEER, cluster, folder, namespace, ["get", "pods"])[1]

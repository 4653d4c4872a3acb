"""get, describe, logs, explain: what a user sees of the guestbook."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.guestbook import Visitor
from tests.e2e.pods import pod, shell
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster


def columns(output: str) -> list[str]:
    return re.split(r"\s{2,}", output.splitlines()[0].strip())


@pytest.mark.parametrize(
    ("kind", "plain", "wide"),
    [
        (
            "pods",
            ["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
            ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"],
        ),
        (
            "rc",
            ["NAME", "DESIRED", "CURRENT", "READY", "AGE"],
            ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"],
        ),
        (
            "services",
            ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"],
            ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"],
        ),
        ("endpoints", ["NAME", "ENDPOINTS", "AGE"], ["NAME", "ENDPOINTS", "AGE"]),
        (
            "nodes",
            ["NAME", "STATUS", "ROLES", "AGE", "VERSION"],
            [
                *["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP"],
                *["OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"],
            ],
        ),
        ("namespaces", ["NAME", "STATUS", "AGE"], ["NAME", "STATUS", "AGE"]),
        ("events", ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], []),
    ],
)
def test_get_prints_the_columns_of_kubernetes(
    kind: str, plain: list[str], wide: list[str], kubectl: Kubectl, created: str
) -> None:
    assert columns(kubectl("get", kind)) == plain
    if wide:
        assert columns(kubectl("get", kind, "-o", "wide")) == wide


def test_the_services_show_their_ports(kubectl: Kubectl, cluster: Cluster, created: str) -> None:
    rows = {line.split()[0]: line.split() for line in kubectl("get", "svc", "--no-headers").splitlines()}
    assert rows["frontend"][1] == "NodePort"
    assert rows["frontend"][4] == f"80:{cluster.node_port}/TCP"
    assert rows["redis-master"][1:5:3] == ["ClusterIP", "6379/TCP"]
    assert rows["kubernetes"][1:5:3] == ["ClusterIP", "443/TCP"]


def test_yaml_and_json_tell_the_same(kubectl: Kubectl, created: str) -> None:
    as_json = kubectl.json("get", "rc", "frontend")
    as_yaml = yaml.safe_load(kubectl("get", "rc", "frontend", "-o", "yaml"))
    assert as_yaml == as_json
    assert as_json["spec"]["template"]["spec"]["containers"][0]["image"] == "kubeguide/guestbook-php-frontend"
    assert as_json["status"]["replicas"] == 3


def test_other_outputs_work(kubectl: Kubectl, created: str) -> None:
    assert kubectl("get", "rc", "frontend", "-o", "name") == "replicationcontroller/frontend\n"
    assert kubectl("get", "rc", "frontend", "-o", "jsonpath={.spec.replicas}") == "3"
    shown = kubectl("get", "rc", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas", "--no-headers")
    assert [line.split() for line in shown.splitlines()] == [
        ["frontend", "3"],
        ["redis-master", "1"],
        ["redis-slave", "2"],
    ]
    assert "replicationcontroller/frontend" in kubectl("get", "all")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=redis", 3),
        ("app=redis,role in (slave)", 2),
        ("app=redis,role notin (slave)", 1),
        ("app,tier", 3),
        ("app,!tier", 3),
        ("app!=redis", 3),
        ("app=none", 0),
    ],
)
def test_labels_select(selector: str, expected: int, kubectl: Kubectl, created: str) -> None:
    names = kubectl("get", "pods", "-l", selector, "-o", "name").split()
    assert len(names) == expected


def test_fields_select(kubectl: Kubectl, node: Object, created: str) -> None:
    name = node["metadata"]["name"]
    assert len(kubectl("get", "pods", "--field-selector", f"spec.nodeName={name}", "-o", "name").split()) == 6
    assert kubectl("get", "pods", "--field-selector", "status.phase=Failed", "-o", "name") == ""


def test_get_watch_shows_a_pod_come_and_go(kubectl: Kubectl, namespace: str) -> None:
    kubectl.create(pod("earlier", resources={"requests": {"cpu": "1000"}}), namespace=namespace)
    with kubectl.stream("get", "pods", "-w", "-n", namespace) as stream:
        stream.until("earlier")  # it looks now
        kubectl.create(pod("visible"), namespace=namespace)
        stream.until("1/1     Running")
        kubectl("delete", "pod", "visible", "-n", namespace)
        shown = stream.until("Terminating")
    assert re.search(r"visible .* Pending", shown)
    assert re.search(r"visible .* ContainerCreating", shown)


def test_describe_node_tells_its_state(kubectl: Kubectl, node: Object, created: str) -> None:
    said = kubectl("describe", "node", node["metadata"]["name"])
    for part in (
        r"Ready +True .*KubeletReady",
        r"InternalIP:  +\d+\.",
        r"(?s)Capacity:.*  cpu: +\d+.*  memory: +\d+Ki.*  pods: +110",
        r"(?s)Allocatable:.*  cpu: +\d+",
        r"OS Image: +\S",
        r"Kernel Version: +\S",
        r"Container Runtime Version: +docker://\d+\.",
        r"Kubelet Version: +v.*steersman",
        r"Non-terminated Pods: +\(\d+ in total\)",
        r"Lease:",
        r"RenewTime: +\w+",
    ):
        assert re.search(part, said), f"{part} in\n{said}"


def test_describe_pod_tells_its_story(kubectl: Kubectl, api: Api, created: str) -> None:
    (front, *_) = api.ready_pods("name=frontend")
    said = kubectl("describe", "pod", front["metadata"]["name"])
    for part in (
        r"Status: +Running",
        r"IP: +10\.151\.",
        r"Controlled By: +ReplicationController/frontend",
        r"Container ID: +docker://[0-9a-f]{64}",
        r"Liveness: +http-get http://:http/healthz",
        r"GET_HOSTS_FROM: +env",
        r"Normal +Scheduled .*Successfully assigned default/",
        r"Normal +Pulled ",
        r"Normal +Created ",
        r"Normal +Started ",
    ):
        assert re.search(part, said), f"{part} in\n{said}"


def test_describe_controller_tells_its_pods(kubectl: Kubectl, created: str) -> None:
    said = kubectl("describe", "rc", "frontend")
    assert re.search(r"Replicas: +3 current / 3 desired", said), said
    assert re.search(r"Pods Status: +3 Running / 0 Waiting / 0 Succeeded / 0 Failed", said), said
    assert len(re.findall(r"SuccessfulCreate .*Created pod: frontend-", said)) >= 3, said


def test_describe_service_tells_its_endpoints(kubectl: Kubectl, cluster: Cluster, created: str) -> None:
    said = kubectl("describe", "service", "frontend")
    assert re.search(rf"NodePort: +http +{cluster.node_port}/TCP", said), said
    assert re.search(r"Endpoints: +10\.151\.\S+:80,10\.151\.\S+:80,10\.151\.\S+:80", said), said
    assert re.search(r"Session Affinity: +None", said), said


def test_logs_hold_what_the_container_said(kubectl: Kubectl, api: Api, created: str, visitor: Visitor) -> None:
    (slave, *_) = api.ready_pods("name=redis-slave")
    said = kubectl("logs", slave["metadata"]["name"])
    assert "redis-slave: following " in said
    assert kubectl("logs", slave["metadata"]["name"], "--tail=1") == said.splitlines(keepends=True)[-1]


def test_logs_follow(kubectl: Kubectl, cluster: Cluster, namespace: str, api: Api) -> None:
    script = "echo one; until [ -e /tmp/go ]; do sleep 0.1; done; echo two; exit 0"
    kubectl.create(pod("talker", *shell(script), restartPolicy="Never"), namespace=namespace)
    until(lambda: api.ready_pods("app=talker", namespace), limit_s=15, what="the talker")
    with kubectl.stream("logs", "-f", "talker", "-n", namespace) as stream:
        stream.until("one\n")
        cluster.execute(api.pod("talker", namespace), "touch", "/tmp/go")
        stream.until("one\ntwo\n")
        until(stream.has_ended, limit_s=5, what="the end of logs -f with its container")


def test_explain_tells_types_and_meanings(kubectl: Kubectl) -> None:
    said = kubectl("explain", "pod.spec.containers")
    assert re.search(r"KIND: +Pod", said)
    assert re.search(r"FIELD: containers <\[\]Container>", said), said
    assert re.search(r"  image\t<string>", said), said
    assert "-required-" in said


def test_resources_and_versions_are_listed(kubectl: Kubectl) -> None:
    rows = kubectl("api-resources", "--no-headers")
    assert re.search(r"replicationcontrollers +rc +v1 +true +ReplicationController", rows)
    assert "v1" in kubectl("api-versions").split()
    assert "steersman" in kubectl("version")

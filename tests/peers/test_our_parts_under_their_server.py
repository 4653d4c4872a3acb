"""Our scheduler, controllers, agent and netproxy work under Kubernetes' own API server, over etcd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import guestbook as book
from tests.e2e.doors import Api, Kubectl, is_ready
from tests.e2e.guestbook import Visitor
from tests.e2e.pods import controller, pod, shell
from tests.e2e.waiting import until
from tests.peers.conftest import LIMIT_S
from tests.peers.mixed import MANIFESTS, Mixed
from tests.peers.objects import deployment

pytestmark = [pytest.mark.peer, pytest.mark.docker, pytest.mark.timeout(400)]


@pytest.fixture(scope="module", autouse=True)
def parts(their_master: Mixed, their_api: Api, their_kubectl: Kubectl) -> None:
    book.build_images()
    for name in ("controllers", "scheduler"):
        their_kubectl("create", "-f", str(MANIFESTS / f"{name}.yaml"))
    for name in ("controllers", "scheduler", "agent", "netproxy"):
        their_master.ours(name)


@pytest.fixture(scope="module")
def node(their_master: Mixed, their_api: Api) -> str:
    name = their_master.settings.node_name
    path = f"/api/v1/nodes/{name}"
    until(
        lambda: their_api.is_there(path) and _ready(their_api.get(path)), limit_s=LIMIT_S, what="a node that is ready"
    )
    return name


def _ready(node: dict[str, Any]) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])


def test_the_server_is_kubernetes(their_kubectl: Kubectl) -> None:
    assert json.loads(their_kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"] == "v1.20.2"


def test_the_node_registers_and_renews_its_lease(their_api: Api, node: str) -> None:
    found = their_api.get(f"/api/v1/nodes/{node}")
    assert found["status"]["nodeInfo"]["kubeletVersion"]
    assert found["spec"]["podCIDR"]
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}"
    first = until(lambda: their_api.is_there(path) and their_api.get(path), limit_s=LIMIT_S)["spec"]["renewTime"]
    until(lambda: their_api.get(path)["spec"]["renewTime"] > first, limit_s=LIMIT_S)


def test_a_pod_runs_and_tells_its_log(their_api: Api, their_kubectl: Kubectl, node: str) -> None:
    their_kubectl.create(pod("one", *shell("echo hello from one; exec sleep 3600")))
    until(lambda: is_ready(their_api.pod("one")), limit_s=LIMIT_S)
    found = their_api.pod("one")
    assert found["spec"]["nodeName"] == node
    assert found["status"]["phase"] == "Running"
    assert found["status"]["podIP"]
    assert their_kubectl("logs", "one") == "hello from one\n"
    assert their_kubectl("exec", "one", "--", "hostname") == "one\n"
    reasons = {event["reason"] for event in their_api.events("one")}
    assert {"Scheduled", "Created", "Started"} <= reasons
    their_kubectl("delete", "pod", "one", "--wait=false")
    until(lambda: not their_api.is_there("/api/v1/namespaces/default/pods/one"), limit_s=LIMIT_S)


def test_a_pod_has_its_settings_and_a_token_that_the_server_takes(
    their_api: Api, their_kubectl: Kubectl, node: str
) -> None:
    their_kubectl("create", "configmap", "words", "--from-literal=word=aye")
    their_kubectl("create", "secret", "generic", "hidden", "--from-literal=word=nay")
    made = pod(
        "told",
        *shell("cat /words/word /hidden/word; echo; exec sleep 3600"),
        volumes=[
            {"name": "words", "configMap": {"name": "words"}},
            {"name": "hidden", "secret": {"secretName": "hidden"}},
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]},
            },
        ],
        volumeMounts=[
            {"name": "words", "mountPath": "/words"},
            {"name": "hidden", "mountPath": "/hidden"},
            {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
    )
    made["spec"]["automountServiceAccountToken"] = False
    their_kubectl.create(made)
    until(lambda: is_ready(their_api.pod("told")), limit_s=LIMIT_S)
    assert their_kubectl("logs", "told") == "ayenay\n"
    token = their_kubectl("exec", "told", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = their_api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", json=review).json()
    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:default", answer
    their_kubectl("delete", "pod", "told", "--wait=false")


def test_a_volume_of_a_kind_that_we_do_not_mount_is_no_empty_directory(
    their_api: Api, their_kubectl: Kubectl, node: str
) -> None:
    disk = {"name": "disk", "iscsi": {"targetPortal": "192.0.2.1:3260", "iqn": "iqn.2001-04.com.example:d", "lun": 0}}
    mount = {"name": "disk", "mountPath": "/disk"}
    their_kubectl.create(pod("disk", *shell("exec sleep 3600"), volumes=[disk], volumeMounts=[mount]))
    until(lambda: _told(their_api, "disk", "FailedMount"), limit_s=LIMIT_S)
    assert _told(their_api, "disk", "FailedMount")[0].endswith(
        'failed to get Plugin from volumeSpec for volume "disk" err=no volume plugin matched: '
        "iscsi is not supported by this agent"
    )
    status = their_api.pod("disk")["status"]["containerStatuses"][0]
    assert status["state"]["waiting"]["reason"] == "ContainerCreating"
    their_kubectl("delete", "pod", "disk", "--wait=false")
    until(lambda: not their_api.is_there("/api/v1/namespaces/default/pods/disk"), limit_s=LIMIT_S)


def _told(api: Api, name: str, reason: str) -> list[str]:
    return [event["message"] for event in api.events(name) if event["reason"] == reason]


def test_a_pod_that_is_rejected_tells_only_that(their_api: Api, their_kubectl: Kubectl, node: str) -> None:
    unsafe = pod("unsafe", *shell("exec sleep 3600"))
    unsafe["spec"]["securityContext"] = {"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]}
    their_kubectl.create(unsafe)
    until(lambda: their_api.pod("unsafe")["status"]["phase"] == "Failed", limit_s=LIMIT_S)
    status = their_api.pod("unsafe")["status"]
    assert status["reason"] == "SysctlForbidden"
    assert status.keys() == {"phase", "reason", "message", "startTime", "qosClass"}
    their_kubectl("delete", "pod", "unsafe", "--wait=false")


def test_replicas_are_kept_and_scaled(their_api: Api, their_kubectl: Kubectl, node: str) -> None:
    their_kubectl.create(controller("rc", 2))
    until(lambda: len(their_api.ready_pods("app=rc")) == 2, limit_s=LIMIT_S)
    gone = their_api.ready_pods("app=rc")[0]["metadata"]["name"]
    their_kubectl("delete", "pod", gone, "--wait=false")
    until(lambda: len({*names(their_api, "app=rc")} - {gone}) == 2, limit_s=LIMIT_S)
    their_kubectl("scale", "rc/rc", "--replicas=1")
    until(lambda: len(their_api.items("pods", selector="app=rc")) == 1, limit_s=LIMIT_S)
    status = "/api/v1/namespaces/default/replicationcontrollers/rc"
    until(lambda: their_api.get(status)["status"].get("readyReplicas") == 1, limit_s=LIMIT_S)
    their_kubectl("delete", "rc", "rc")
    until(lambda: not their_api.items("pods", selector="app=rc"), limit_s=LIMIT_S)


def names(api: Api, selector: str) -> list[str]:
    return [one["metadata"]["name"] for one in api.ready_pods(selector)]


def test_a_deployment_rolls(their_api: Api, their_kubectl: Kubectl, node: str) -> None:
    their_kubectl.create(deployment("web", 2))
    their_kubectl("rollout", "status", "deployment/web", "--timeout=60s", limit_s=70)
    their_kubectl("set", "env", "deployment/web", "STEP=2")
    their_kubectl("rollout", "status", "deployment/web", "--timeout=60s", limit_s=70)
    found = their_api.get("/apis/apps/v1/namespaces/default/deployments/web")
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    their_kubectl("delete", "deployment", "web", "--wait=false")
    until(lambda: not their_api.items("pods", selector="app=web"), limit_s=LIMIT_S)


def test_a_namespace_is_emptied_and_tells_what_holds_it(their_api: Api, their_kubectl: Kubectl, node: str) -> None:
    """Also of services, which this server deletes one by one only."""
    their_kubectl("create", "namespace", "leaving")
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["test/hold"]}}
    spec = {"selector": {"app": "x"}, "ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "some"}, "spec": spec}
    their_kubectl.create(held, service, deployment("web", 1), namespace="leaving")
    until(lambda: their_api.ready_pods("app=web", "leaving"), limit_s=LIMIT_S)
    their_kubectl("delete", "namespace", "leaving", "--wait=false")
    path = "/api/v1/namespaces/leaving"

    def conditions() -> dict[str, str]:
        found = their_api.get(path)["status"].get("conditions", [])
        return {one["type"]: one["message"] for one in found if one["status"] == "True"}

    remains = "Some resources are remaining: configmaps. has 1 resource instances"
    until(lambda: conditions().get("NamespaceContentRemaining") == remains, limit_s=LIMIT_S, what="what remains")
    assert "test/hold in 1 resource instances" in conditions()["NamespaceFinalizersRemaining"]
    for plural in ("services", "endpoints", "pods", "events", "serviceaccounts"):
        assert their_api.items(plural, "leaving") == []
    their_kubectl(
        "patch", "configmap", "held", "-n", "leaving", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    until(lambda: not their_api.is_there(path), limit_s=LIMIT_S, what="the namespace is gone")


@pytest.fixture
def page(their_master: Mixed, their_api: Api, their_kubectl: Kubectl, node: str) -> Iterator[Visitor]:
    """A web server of two pods behind a service with a node port."""
    port = their_master.cluster.node_port
    serve = pod("page", *shell("hostname > /index.html; exec httpd -f -p 8080 -h /"))
    their_kubectl.create(controller("page", 2, serve))
    spec = {
        "type": "NodePort",
        "selector": {"app": "page"},
        "ports": [{"port": 80, "targetPort": 8080, "nodePort": port}],
    }
    their_kubectl.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "page"}, "spec": spec})
    address = next(
        one["address"]
        for one in their_api.get(f"/api/v1/nodes/{node}")["status"]["addresses"]
        if one["type"] == "InternalIP"
    )
    yield Visitor(f"http://{address}:{port}")
    their_kubectl("delete", "rc,service", "page")
    until(lambda: not their_api.items("pods", selector="app=page"), limit_s=LIMIT_S)


def test_a_node_port_leads_to_all_pods_by_their_endpoints(their_api: Api, page: Visitor) -> None:
    until(lambda: len(their_api.addresses("page")) == 2, limit_s=LIMIT_S)
    until(lambda: page.is_served("/"), limit_s=LIMIT_S)

    def seen() -> bool:
        return {page.get("/").text for _ in range(8)} == {f"{name}\n" for name in names(their_api, "app=page")}

    until(seen, limit_s=LIMIT_S)


def test_a_namespace_is_emptied_and_goes(their_api: Api, their_kubectl: Kubectl, node: str) -> None:
    their_kubectl("create", "namespace", "short")
    path = "/api/v1/namespaces/short"
    until(lambda: their_api.is_there(f"{path}/serviceaccounts/default"), limit_s=LIMIT_S)
    until(lambda: their_api.is_there(f"{path}/configmaps/kube-root-ca.crt"), limit_s=LIMIT_S)
    their_kubectl.create(pod("one"), namespace="short")
    until(lambda: is_ready(their_api.pod("one", "short")), limit_s=LIMIT_S)
    their_kubectl("delete", "namespace", "short", "--wait=false")
    until(lambda: not their_api.is_there(path), limit_s=LIMIT_S)


def test_pods_that_fit_nowhere_are_told_why(their_api: Api, their_kubectl: Kubectl, node: str) -> None:
    their_kubectl.create(pod("huge", resources={"requests": {"cpu": "10000"}}))

    def why() -> str:
        conditions = their_api.pod("huge")["status"].get("conditions") or [{}]
        return str(conditions[0].get("message", ""))

    until(lambda: "0/1 nodes are available" in why(), limit_s=LIMIT_S)
    their_kubectl("delete", "pod", "huge", "--wait=false")

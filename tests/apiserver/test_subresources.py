"""Subresources: scale, binding, and the log that a node's agent hands out."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from played_agent import agent_that, node_at
from tests_apiserver import Api, pod

from api import protobuf
from api.autoscaling import Scale
from master import pki
from tests.e2e.waiting import until

RCS = "/api/v1/namespaces/{}/replicationcontrollers"


def _controller(name: str, replicas: int) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(name)["spec"]}
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "template": template}}


def test_a_scale_is_read_replaced_and_patched(admin: Api, namespace: str) -> None:
    path = f"{RCS.format(namespace)}/web"
    made = admin.post(RCS.format(namespace), _controller("web", 3)).json
    scale = admin.get(f"{path}/scale").json
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    assert scale["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    scale["spec"]["replicas"] = 5
    assert admin.put(f"{path}/scale", scale).json["spec"]["replicas"] == 5
    assert admin.put(f"{path}/scale", scale).status == 409
    assert admin.patch(f"{path}/scale", {"spec": {"replicas": 2}}, "merge").json["spec"]["replicas"] == 2
    after = admin.get(path).json
    assert after["spec"]["replicas"] == 2
    assert after["metadata"]["generation"] == 3
    assert admin.patch(f"{path}/scale", {"spec": {"replicas": -1}}, "merge").status == 422
    assert admin.get(f"/api/v1/namespaces/{namespace}/pods/x/scale").status == 404


def test_a_scale_belongs_to_one_object_and_has_a_table(admin: Api, namespace: str) -> None:
    path = f"{RCS.format(namespace)}/web"
    admin.post(RCS.format(namespace), _controller("web", 3))
    meant = {"metadata": {"name": "web", "uid": "another"}, "spec": {"replicas": 5}}
    refused = admin.put(f"{path}/scale", meant)
    assert (refused.status, refused.json["reason"]) == (409, "Conflict")
    assert "UID in precondition: another" in refused.json["message"]
    assert admin.get(path).json["spec"]["replicas"] == 3
    table = admin.get(f"{path}/scale", Accept="application/json;as=Table;v=v1;g=meta.k8s.io").json
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"][:3] == ["web", 3, 0]
    partial = admin.get(f"{path}/scale", Accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").json
    assert (partial["kind"], partial["metadata"]["name"]) == ("PartialObjectMetadata", "web")
    binary = admin.get(f"{path}/scale", Accept=protobuf.CONTENT_TYPE)
    _, kind, raw = protobuf.unwrap(binary.data)
    assert (kind, protobuf.decode(raw, Scale)["spec"]) == ("Scale", {"replicas": 3})
    missing = admin.get(f"{RCS.format(namespace)}/none/scale").json
    assert missing["message"] == 'replicationcontrollers/scale.autoscaling "none" not found'


def test_a_namespace_is_finalized_with_all_that_is_written(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}-f"
    made = admin.post("/api/v1/namespaces", {"metadata": {"name": f"{namespace}-f"}, "spec": {"finalizers": ["a.b/c"]}})
    assert made.json["spec"]["finalizers"] == ["a.b/c", "kubernetes"], "nobody would empty it"
    whole = made.json
    wrong = admin.put(f"{path}/finalize", whole | {"spec": {"finalizers": ["foo"]}})
    assert [one["field"] for one in wrong.json["details"]["causes"]] == ["spec.finalizers[0]"]
    other = admin.put(f"{path}/finalize", whole | {"metadata": whole["metadata"] | {"uid": "x"}})
    assert other.status == 409
    labelled = whole["metadata"] | {"labels": {"a": "b"}}
    done = admin.put(f"{path}/finalize", whole | {"metadata": labelled, "spec": {}, "status": {"phase": "Terminating"}})
    assert (done.status, done.json["metadata"]["labels"]["a"]) == (200, "b")
    assert "finalizers" not in done.json["spec"]
    assert done.json["status"]["phase"] == "Active", "the status is another's to write"
    marked = admin.delete(path).json
    assert (marked["status"]["phase"], "deletionTimestamp" in marked["metadata"]) == ("Terminating", True)
    assert admin.delete(path).status == 200
    assert admin.get(path).status == 404


def test_a_pod_is_bound_once(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    made = admin.post(path, pod("web")).json
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "web", "uid": made["metadata"]["uid"]},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    }
    assert admin.post(f"{path}/web/binding", {**binding, "target": {"kind": "Node"}}).status == 422
    assert admin.post(f"{path}/web/binding", {**binding, "metadata": {"name": "other"}}).status == 400
    bound = admin.post(f"{path}/web/binding", binding)
    assert (bound.status, bound.json["status"]) == (201, "Success")
    after = admin.get(f"{path}/web").json
    assert after["spec"]["nodeName"] == "n1"
    assert [(c["type"], c["status"]) for c in after["status"]["conditions"]] == [("PodScheduled", "True")]
    again = admin.post(f"/api/v1/namespaces/{namespace}/bindings", binding)
    assert again.status == 409
    assert again.json["details"]["kind"] == "pods/binding"
    assert again.json["message"] == (
        'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "n1"'
    )
    stranger = {**binding, "metadata": {"name": "web", "uid": "other"}}
    assert "Precondition failed: UID" in admin.post(f"{path}/web/binding", stranger).json["message"]
    nope = {"metadata": {"name": "nope"}, "target": {"name": "n1"}}
    assert admin.post(f"{path}/nope/binding", nope).status == 404


class _Agent(BaseHTTPRequestHandler):
    """Hands out logs as an agent does: chunked, going on while it is followed."""

    protocol_version = "HTTP/1.1"
    go_on = threading.Event()
    asked: list[str] = []
    certificates: list[Any] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        connection: Any = self.connection
        self.certificates.append(connection.getpeercert())
        if "waiting" in self.path:
            self._whole(400, b'container "waiting" in pod "web" is waiting to start: ContainerCreating')
        elif self.path.startswith("/metrics"):
            self._whole(200, b"up 1\n")
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._chunk(b"one\n")
            if "follow=true" in self.path:
                self.go_on.wait(10)
                self._chunk(b"two\n")
            self._chunk(b"")

    def _whole(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def agent(certificates: pki.Pki) -> Iterator[int]:
    """The port of an agent that wants a client certificate."""
    _Agent.go_on.clear()
    _Agent.asked.clear()
    _Agent.certificates.clear()
    with agent_that(_Agent, certificates) as port:
        yield port
        _Agent.go_on.set()


@pytest.fixture
def logged(admin: Api, namespace: str, agent: int) -> str:
    """The path of a pod on a node that answers."""
    assert admin.post("/api/v1/nodes", node_at(agent, f"n-{namespace}")).status == 201
    path = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(path, pod("web", nodeName=f"n-{namespace}"))
    return f"{path}/web"


def test_a_log_comes_from_the_agent_with_the_options_passed_on(admin: Api, logged: str, namespace: str) -> None:
    answer = admin.get(f"{logged}/log?tailLines=5&timestamps=1&previous=false")
    assert (answer.status, answer.data) == (200, b"one\n")
    assert answer.headers["Content-Type"] == "text/plain"
    assert _Agent.asked == [f"/containerLogs/{namespace}/web/c?timestamps=true&tailLines=5"]
    subject = dict(pair for rdn in _Agent.certificates[0]["subject"] for pair in rdn)
    assert subject["commonName"] == "kube-apiserver-kubelet-client"


def test_a_followed_log_comes_as_it_is_written(admin: Api, logged: str) -> None:
    answer = admin.pool.request("GET", f"{admin.url}{logged}/log?follow=true", preload_content=False, timeout=15)
    assert answer.read1() == b"one\n"
    _Agent.go_on.set()
    rest = answer.read1()
    assert rest == b"two\n"
    assert answer.read1() == b""


def test_a_follower_that_leaves_lets_go_of_the_agent(admin: Api, logged: str) -> None:
    answer = admin.pool.request("GET", f"{admin.url}{logged}/log?follow=true", preload_content=False, timeout=15)
    assert answer.read1() == b"one\n"
    answer.close()
    _Agent.go_on.set()
    assert until(lambda: admin.get(f"{logged}/log").data) == b"one\n"


def test_the_words_of_the_agent_reach_the_client(admin: Api, namespace: str, agent: int) -> None:
    assert admin.post("/api/v1/nodes", node_at(agent, f"n-{namespace}")).status == 201
    path = f"/api/v1/namespaces/{namespace}/pods"
    containers = [{"name": "waiting", "image": "x:1"}, {"name": "b", "image": "x:1"}]
    admin.post(path, pod("web", nodeName=f"n-{namespace}", containers=containers))
    refused = admin.get(f"{path}/web/log?container=waiting")
    assert refused.status == 400
    assert refused.json["message"] == 'container "waiting" in pod "web" is waiting to start: ContainerCreating'
    unnamed = admin.get(f"{path}/web/log")
    assert unnamed.json["message"] == ("a container name must be specified for pod web, choose one of: [waiting b]")
    stranger = admin.get(f"{path}/web/log?container=zzz")
    assert stranger.json["message"] == "container zzz is not valid for pod web"


def test_a_pod_without_a_node_and_a_node_that_is_gone(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(path, pod("free"))
    assert admin.get(f"{path}/free/log").status == 204
    admin.post(path, pod("lost", nodeName="nowhere"))
    assert admin.get(f"{path}/lost/log").status == 404
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        node = node_at(unused.getsockname()[1], f"dead-{namespace}")
        assert admin.post("/api/v1/nodes", node).status == 201
        admin.post(path, pod("dead", nodeName=f"dead-{namespace}"))
        refused = admin.get(f"{path}/dead/log")
    assert refused.status == 503
    assert refused.json["reason"] == "ServiceUnavailable"
    assert "error dialing agent at 127.0.0.1" in refused.json["message"]
    assert refused.headers["Retry-After"] == "1"


def test_a_node_shows_its_metrics_through_the_server(admin: Api, namespace: str, agent: int) -> None:
    assert admin.post("/api/v1/nodes", node_at(agent, f"n-{namespace}")).status == 201
    answer = admin.get(f"/api/v1/nodes/n-{namespace}/proxy/metrics/cadvisor?a=b")
    assert (answer.status, answer.data) == (200, b"up 1\n")
    named = admin.get(f"/api/v1/nodes/n-{namespace}:{agent}/proxy/metrics")
    assert (named.status, named.data) == (200, b"up 1\n"), "the agent's own port may be said"
    assert _Agent.asked == ["/metrics/cadvisor?a=b", "/metrics"]


def test_through_a_node_leads_no_way_that_is_not_meant(admin: Api, namespace: str, agent: int) -> None:
    assert admin.post("/api/v1/nodes", node_at(agent, f"n-{namespace}")).status == 201
    path = f"/api/v1/nodes/n-{namespace}"
    upgrade = admin.call("GET", f"{path}/proxy/exec/a/b/c", Connection="Upgrade", Upgrade="websocket")
    assert (upgrade.status, upgrade.json["message"]) == (400, "upgrades are not passed on to nodes")
    loopback = admin.get(f"{path}:80/proxy/")
    assert (loopback.status, loopback.json["message"]) == (400, "address not allowed")
    for wrong in (
        f"ftp:n-{namespace}:1",
        f"n-{namespace}:70000",
        f"n-{namespace}:000001000000",
        f"n-{namespace}:{'1' * 5000}",
    ):
        assert admin.get(f"/api/v1/nodes/{wrong}/proxy/").status == 400
    assert _Agent.asked == []


def test_kubectl_shows_a_log(kubectl: Callable[..., Any], logged: str) -> None:
    assert kubectl("logs", "web").stdout == "one\n"
    assert json.dumps(_Agent.asked) != "[]"

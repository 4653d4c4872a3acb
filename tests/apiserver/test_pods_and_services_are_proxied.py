"""``pods/NAME/proxy`` and ``services/NAME/proxy``, to a real HTTP server that stands for a pod's."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
import pytest
from tests_apiserver import Api, Running, pod

from master.apiserver.operations.proxy import split


class Echo(BaseHTTPRequestHandler):
    """Tells what it was asked."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = {
            "method": self.command,
            "path": self.path,
            "body": self.rfile.read(length).decode(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/there")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = json.dumps(told).encode()
        self.send_response(418 if self.path == "/teapot" else 200)
        self.send_header("Content-Type", "application/told")
        self.send_header("X-From", "pod")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def address() -> str:
    """Of this host, and no loopback: those are refused."""
    found = [
        one.address
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family == socket.AF_INET and not one.address.startswith(("127.", "169.254."))
    ]
    if not found:
        pytest.skip("this host has no address but loopback")
    return found[0]


@pytest.fixture
def port(address: str) -> Iterator[int]:
    server = ThreadingHTTPServer((address, 0), Echo)
    thread = threading.Thread(target=server.serve_forever, name="pod under test")
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def path(admin: Api, namespace: str, address: str, port: int) -> str:
    """The namespace with a pod, a service and its endpoints."""
    core = f"/api/v1/namespaces/{namespace}"
    ports = [{"name": "web", "containerPort": port}]
    web = pod("web", containers=[{"name": "c", "image": "x", "ports": ports}])
    assert admin.post(f"{core}/pods", web).status == 201
    assert admin.patch(f"{core}/pods/web/status", {"status": {"podIP": address}}).status == 200
    spec = {"ports": [{"name": "http", "port": 80, "targetPort": port}]}
    assert admin.post(f"{core}/services", {"metadata": {"name": "web"}, "spec": spec}).status == 201
    subset = {"addresses": [{"ip": address}], "ports": [{"name": "http", "port": port}]}
    assert admin.post(f"{core}/endpoints", {"metadata": {"name": "web"}, "subsets": [subset]}).status == 201
    return core


@pytest.mark.parametrize("name", ["pods/web", "pods/web:web", "services/web", "services/web:80", "services/web:http"])
def test_a_request_reaches_the_pod_and_its_answer_the_client(admin: Api, path: str, name: str) -> None:
    answer = admin.get(f"{path}/{name}/proxy/a%2Fb//c/?x=1&y=%20", X_Own="mine", Authorization="Bearer secret")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["X-From"]) == (200, "application/told", "pod")
    told = answer.json
    assert (told["method"], told["path"]) == ("GET", "/a/b/c/?x=1&y=%20"), "as Kubernetes joins a path"
    assert told["headers"]["x-own"] == "mine"
    assert "authorization" not in told["headers"], "who the client is stays with the API server"


@pytest.mark.parametrize(
    ("sent", "got"),
    [("/%2F", "/"), ("/a%2Fb", "/a/b"), ("/a%20b%0d%0aX", "/a%20b%0D%0AX"), ("/%3Fa%23", "/%3Fa%23"),
     ("/a/%2e%2e/%2e%2e/b", "/b"), ("/~a;b=c@d:e", "/~a;b=c@d:e")],
)  # fmt: skip
def test_a_path_is_passed_in_one_form(admin: Api, path: str, sent: str, got: str) -> None:
    assert admin.get(f"{path}/pods/web/proxy{sent}").json["path"] == got


def test_every_method_and_status_is_passed_on(admin: Api, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        told = admin.call(method, f"{path}/pods/web/proxy/x", {"a": 1}).json
        assert (told["method"], json.loads(told["body"])) == (method, {"a": 1})
    head = admin.call("HEAD", f"{path}/pods/web/proxy/x")
    assert (head.status, head.data) == (200, b"")
    assert admin.get(f"{path}/services/web/proxy/teapot").status == 418


def test_another_port_of_a_node_is_reached_by_every_method(admin: Api, namespace: str, address: str, port: int) -> None:
    name = f"n-{namespace}"
    status = {
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}},
    }
    assert admin.post("/api/v1/nodes", {"metadata": {"name": name}, "status": status}).status == 201
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        body = None if method == "GET" else {"a": 1}
        told = admin.call(method, f"/api/v1/nodes/{name}:{port}/proxy/a/b?c=d", body).json
        assert (told["method"], told["path"]) == (method, "/a/b?c=d")
    admin.delete(f"/api/v1/nodes/{name}")


def test_redirections_stay_behind_the_proxy(admin: Api, path: str) -> None:
    bare = admin.pool.request("GET", f"{admin.url}{path}/pods/web/proxy?a=b", redirect=False)
    assert (bare.status, bare.headers["Location"]) == (301, f"{path}/pods/web/proxy/?a=b")
    moved = admin.pool.request("GET", f"{admin.url}{path}/pods/web/proxy/moved", redirect=False)
    assert (moved.status, moved.headers["Location"]) == (302, f"{path}/pods/web/proxy/there")


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "::ffff:127.0.0.1"])
def test_addresses_that_are_no_pods_are_refused(admin: Api, path: str, ip: str) -> None:
    assert admin.patch(f"{path}/pods/web/status", {"status": {"podIP": ip}}).status == 200
    refused = admin.get(f"{path}/pods/web/proxy/")
    assert (refused.status, refused.json["message"]) == (400, "address not allowed")


def test_what_cannot_be_reached_is_told(admin: Api, path: str) -> None:
    for name, status, said in (
        ("services/nosuch", 404, 'services "nosuch" not found'),
        ("services/web:nosuch", 503, 'no endpoints available for service "web:nosuch"'),
        ("services/web:9", 503, 'no service port 9 found for service "web"'),
        ("pods/web:nosuch", 400, 'no port "nosuch" found for pod "web"'),
        ("pods/ftp:web:1", 400, 'invalid service request "ftp:web:1"'),
        ("pods/web:1", 503, "error trying to reach service: dial tcp"),
    ):
        answer = admin.get(f"{path}/{name}/proxy/")
        assert answer.status == status, answer.data
        assert said in answer.json["message"]
    admin.delete(f"{path}/endpoints/web")
    assert admin.get(f"{path}/services/web/proxy/").json["message"] == 'services "web" not found'


def test_it_takes_the_right_to_proxy(
    server: Running, as_user: Callable[[Running, str], Api], admin: Api, path: str
) -> None:
    stranger = as_user(server, "netproxy")
    assert stranger.get(f"{path}/services/web/proxy/").status == 403
    listed: dict[str, Any] = admin.get("/api/v1").json
    kinds = {one["name"]: (one["kind"], sorted(one["verbs"])) for one in listed["resources"]}
    verbs = ["create", "delete", "get", "patch", "update"]
    assert kinds["pods/proxy"] == ("PodProxyOptions", verbs)
    assert kinds["services/proxy"] == ("ServiceProxyOptions", verbs)
    assert kinds["nodes/proxy"] == ("NodeProxyOptions", verbs)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("/api/v1/namespaces/n/pods/p/proxy", ("/api/v1/namespaces/n/pods/p/proxy", "")),
        ("/api/v1/namespaces/n/pods/p/proxy/", ("/api/v1/namespaces/n/pods/p/proxy", "/")),
        ("/api/v1/namespaces/n/pods/p/proxy/a//b", ("/api/v1/namespaces/n/pods/p/proxy", "/a//b")),
        ("//api/v1/namespaces//n/pods/p/proxy/a", ("//api/v1/namespaces//n/pods/p/proxy", "/a")),
    ],
)
def test_the_path_is_split_behind_the_proxy(raw: str, parts: tuple[str, str]) -> None:
    assert split(raw) == parts

"""WebSocket and other upgrades to a pod, through ``pods/proxy``, ``services/proxy`` and ``kubectl proxy`` before it."""

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import websocket
from kubectls import Kubectl
from tests_apiserver import Api, Running, pod

from client.kubeconfig import load_kubeconfig
from master import pki
from tests.e2e.waiting import until

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LIMIT_S = 60


class Upgrading:
    """A pod's server: takes any upgrade but those below ``/refused``, tells the head it got, then echoes raw bytes."""

    def __init__(self, address: str) -> None:
        self.socket = socket.create_server((address, 0))
        self.port: int = self.socket.getsockname()[1]
        self.ended = threading.Semaphore(0)
        self._taken: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="pod under test")]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._taken.append(self.socket.accept()[0])
                thread = threading.Thread(target=self._serve, args=(self._taken[-1],), name="its connection")
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as file:
            head = b"".join(iter(file.readline, b"\r\n")).decode()
            connection.sendall(_answer(head))
            while data := connection.recv(65536):
                connection.sendall(data)
        self.ended.release()

    def close(self) -> None:
        for one in (self.socket, *self._taken):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self._threads:
            thread.join(LIMIT_S)


def _answer(head: str) -> bytes:
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "/refused" in first:
        return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nnot so"
    answer = ["HTTP/1.1 101 Switching Protocols", f"Upgrade: {headers.get('upgrade')}", "Connection: Upgrade"]
    if key := headers.get("sec-websocket-key"):
        digest = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
        answer += [f"Sec-WebSocket-Accept: {digest}"]
        answer += [f"Sec-WebSocket-Protocol: {one}" for one in headers.get("sec-websocket-protocol", "").split()]
    told = base64.b64encode(head.encode()).decode()
    return "\r\n".join([*answer, f"X-Got: {told}", "", ""]).encode()


@pytest.fixture
def running_pod(admin: Api, namespace: str) -> Iterator[Upgrading]:
    """Known as pod and service ``web`` of the namespace."""
    addresses = [one.address for many in psutil.net_if_addrs().values() for one in many if one.family == socket.AF_INET]
    address = next(one for one in addresses if not one.startswith(("127.", "169.254.")))
    made = Upgrading(address)
    core = f"/api/v1/namespaces/{namespace}"
    ports = [{"name": "http", "containerPort": made.port}]
    assert (
        admin.post(f"{core}/pods", pod("web", containers=[{"name": "c", "image": "x", "ports": ports}])).status == 201
    )
    assert admin.patch(f"{core}/pods/web/status", {"status": {"podIP": address}}).status == 200
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    assert admin.post(f"{core}/services", service).status == 201
    subset = {"addresses": [{"ip": address}], "ports": [{"name": "http", "port": made.port}]}
    assert admin.post(f"{core}/endpoints", {"metadata": {"name": "web"}, "subsets": [subset]}).status == 201
    yield made
    made.close()


@pytest.fixture
def raw(server: Running, kubeconfig: Path) -> Iterator[ssl.SSLSocket]:
    """The administrator's connection to the API server."""
    context = load_kubeconfig(kubeconfig).ssl_context()
    plain = socket.create_connection(("127.0.0.1", server.api.port), timeout=LIMIT_S)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        yield connection


def heard(connection: ssl.SSLSocket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


def got(headers: dict[str, str]) -> str:
    return base64.b64decode(headers["x-got"]).decode()


@pytest.mark.parametrize("name", ["pods/web", "services/web:http"])
def test_a_websocket_reaches_the_pod_through_kubectl_proxy(
    kubectl: Kubectl, namespace: str, running_pod: Upgrading, name: str
) -> None:
    proxy = subprocess.Popen(kubectl.command("proxy", "--port=0"), stdout=subprocess.PIPE, text=True)
    try:
        assert proxy.stdout is not None
        said = proxy.stdout.readline()
        port = re.search(r":(\d+)$", said.strip())
        assert port is not None, said
        url = f"ws://127.0.0.1:{port[1]}/api/v1/namespaces/{namespace}/{name}/proxy/live?x=%20"
        talk = websocket.create_connection(url, timeout=LIMIT_S, subprotocols=["chat"], header=["X-Own: mine"])
        assert talk.subprotocol == "chat"
        assert got(talk.headers).startswith("GET /live?x=%20 HTTP/1.1\r\n")
        assert "x-own: mine" in got(talk.headers).lower()
        for text in ("hello", "x" * 300_000):
            talk.send(text)
            # The pod echoes raw bytes: a client's frames, masked, whose first byte tells text.
            assert talk.sock is not None
            assert len(text) == _echoed(talk.sock, len(text))
        talk.sock.close()
        assert running_pod.ended.acquire(timeout=LIMIT_S), "the pod's end of the connection stayed open"
    finally:
        proxy.kill()
        proxy.wait(LIMIT_S)
        proxy.stdout.close()  # type: ignore[union-attr]


def _echoed(connection: socket.socket, size: int) -> int:
    """Reads one masked frame; how long its text is."""
    file = connection.makefile("rb")
    first, second = file.read(2)
    assert (first, second & 0x80) == (0x81, 0x80)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(file.read(2 if length == 126 else 8), "big")
    assert length == size
    return len(file.read(length + 4)) - 4


def test_any_protocol_is_passed_both_ways_by_post_too(
    raw: ssl.SSLSocket, namespace: str, running_pod: Upgrading
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/web/proxy/x"
    raw.sendall(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        "Authorization: Bearer secret\r\nContent-Length: 0\r\n\r\nfirst bytes".encode()
    )
    head, _, rest = heard(raw, b"first bytes").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    assert {"Upgrade: SPDY/3.1", "Connection: Upgrade"} <= set(lines)
    assert rest == b"first bytes"
    told = got(dict(line.lower().split(": ", 1) if "X-Got" not in line and "x-got" not in line else
                    ("x-got", line.split(": ", 1)[1]) for line in lines[1:]))  # fmt: skip
    assert "secret" not in told, "who the client is stays with the API server"
    assert "Upgrade: SPDY/3.1" in told


def test_a_refusal_is_the_pods_own_with_all_its_headers(
    raw: ssl.SSLSocket, namespace: str, running_pod: Upgrading
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/web/proxy/refused"
    raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
    answer = heard(raw, b"0\r\n\r\n").decode()
    assert answer.startswith("HTTP/1.1 403 ")
    assert "not so" in answer
    assert "set-cookie: a=1\r\nset-cookie: b=2" in answer.lower()


def test_a_pod_that_switches_unasked_is_a_gateway_that_fails(
    admin: Api, namespace: str, running_pod: Upgrading
) -> None:
    answer = admin.get(f"/api/v1/namespaces/{namespace}/pods/web/proxy/x")
    assert answer.status == 503
    assert "switched protocols without being asked" in answer.json["message"]


def test_a_token_among_the_subprotocols_opens_the_door_and_stays_there(
    server: Running, certificates: pki.Pki, admin: Api, namespace: str, running_pod: Upgrading
) -> None:
    """As browsers do it, who can set no other header."""
    rights = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": namespace}
    admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "robot"}})
    bound = {"metadata": {"name": "robot"}, "roleRef": rights, "subjects": [subject]}
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    assert admin.post(path, bound).status == 201
    asked = admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/robot/token", {"spec": {}})
    token = base64.urlsafe_b64encode(asked.json["status"]["token"].encode()).decode().rstrip("=")
    url = f"wss://127.0.0.1:{server.api.port}/api/v1/namespaces/{namespace}/pods/web/proxy/x"
    trust = {"ca_certs": str(certificates.ca_certificate)}
    offered = f"base64url.bearer.authorization.k8s.io.{token}"

    def opened(*protocols: str) -> websocket.WebSocket:
        return websocket.create_connection(url, timeout=LIMIT_S, subprotocols=list(protocols), sslopt=trust)

    talk = opened(offered, "chat")
    assert talk.subprotocol == "chat"
    assert "bearer" not in got(talk.headers)
    talk.sock.close()
    for wrong in ([offered], [offered, offered, "chat"], [f"{offered[:-9]}x", "chat"], ["chat"]):
        with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
            opened(*wrong)
        assert refusal.value.status_code in (401, 403)


def test_many_upgrades_leave_nothing_open(
    server: Running, raw: ssl.SSLSocket, admin: Api, namespace: str, running_pod: Upgrading
) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/web/proxy/x"
    raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n".encode())
    heard(raw, b"\r\n\r\n")
    raw.close()
    assert running_pod.ended.acquire(timeout=LIMIT_S)
    here = psutil.Process()
    until(lambda: not [one for one in here.net_connections() if one.raddr and one.raddr.port == running_pod.port])

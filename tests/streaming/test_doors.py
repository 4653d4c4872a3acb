"""Who may open a stream, how many there may be, and clients in Python."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Object
from tests.e2e.waiting import until
from tests.streaming.conftest import PAGE
from tests.streaming.kubectls import PROGRAMS, Program

pytestmark = [pytest.mark.docker, pytest.mark.cluster]
POD = "/api/v1/namespaces/default/pods/web"
LIMIT = 40


def opened(api: Api, path: str, *, protocol: str = "v5.channel.k8s.io") -> tuple[ssl.SSLSocket, bytes]:
    """A WebSocket that a browser or a small client would open, and the head of the answer."""
    context = ssl.create_default_context(cafile=api.ca)
    context.load_cert_chain(*api.certificate)
    url = urlsplit(api.server)
    assert url.hostname is not None
    raw = socket.create_connection((url.hostname, url.port or 443), timeout=10)
    connection = context.wrap_socket(raw, server_hostname=url.hostname)
    key = base64.b64encode(bytes(16)).decode()
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection, connection.recv(4096)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_without_the_right_to_create_there_is_no_exec(cluster: Cluster, web: Object, program: Program) -> None:
    scheduler = cluster.kubeconfig.with_name("scheduler.kubeconfig")
    told = program.run(scheduler, "exec", "web", "-c", "main", "--", "true")
    assert told.returncode != 0
    assert b'cannot create resource "pods/exec" in API group "" in the namespace "default"' in told.stderr


def test_a_get_without_an_upgrade_is_refused(api: Api, web: Object) -> None:
    answer = api.call("GET", f"{POD}/exec?command=true&container=main&stdout=1")
    assert (answer.status_code, answer.json()["message"]) == (400, "Upgrade request required")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("exec?container=main&stdout=1", "at least 1 command"),
        ("exec?container=main&command=true", "at least 1 of stdin, stdout, stderr"),
        ("exec?command=true&stdout=1", "a container name must be specified"),
        ("portforward?ports=x", "'x' is not a port number"),
        ("portforward?ports=0", "'0' is not a port number"),
        ("portforward?ports=" + 5000 * "1", "is not a port number"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_upgrade(api: Api, web: Object, path: str, said: str) -> None:
    connection, answer = opened(api, f"{POD}/{path}")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert said.encode() in answer


def test_a_protocol_that_nobody_speaks_is_refused(api: Api, web: Object) -> None:
    connection, answer = opened(api, f"{POD}/exec?container=main&command=true&stdout=1", protocol="v9.channel.k8s.io")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"unable to negotiate protocol" in answer


def test_too_many_streams_are_refused_and_room_is_made_when_some_leave(api: Api, web: Object) -> None:
    path = f"{POD}/attach?container=echo&stdout=1"
    with contextlib.ExitStack() as streams:
        heads = []
        for _ in range(LIMIT + 1):
            connection, head = opened(api, path)
            streams.callback(connection.close)
            heads.append(head)
        assert [head.split()[1] for head in heads] == [b"101"] * LIMIT + [b"429"]
        assert b"this node serves 40 streams already" in heads[-1]

    def is_open() -> bool:
        connection, head = opened(api, path)
        connection.close()
        return head.startswith(b"HTTP/1.1 101")

    until(is_open, limit_s=15, what="room for a stream")


def test_the_python_client_runs_commands(cluster: Cluster, web: Object, python_api: object) -> None:
    stream = pytest.importorskip("kubernetes.stream").stream
    command = ["sh", "-c", "read x; echo got $x; echo bad >&2; exit 3"]
    exec_get = python_api.connect_get_namespaced_pod_exec  # type: ignore[attr-defined]
    found = stream(
        exec_get, "web", "default", container="main", command=command,
        stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
    )  # fmt: skip
    found.write_stdin("it\n")
    found.run_forever(timeout=10)
    assert (found.read_stdout(), found.read_stderr(), found.returncode) == ("got it\n", "bad\n", 3)
    found.close()


def test_the_python_client_forwards_ports(cluster: Cluster, web: Object, python_api: object) -> None:
    portforward = pytest.importorskip("kubernetes.stream").portforward
    forward_get = python_api.connect_get_namespaced_pod_portforward  # type: ignore[attr-defined]
    found = portforward(forward_get, "web", "default", ports="8080,9")
    with contextlib.closing(found.socket(8080)) as connection, contextlib.closing(found.socket(9)):
        connection.settimeout(10)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        seen = b""
        while PAGE.encode() not in seen:
            seen += connection.recv(4096)
        until(lambda: "connection refused" in (found.error(9) or ""), limit_s=10, what="the error of port 9")


@pytest.fixture
def python_api(cluster: Cluster) -> Iterator[object]:
    kubernetes = pytest.importorskip("kubernetes")
    with kubernetes.config.new_client_from_config(str(cluster.kubeconfig)) as client:
        yield kubernetes.client.CoreV1Api(client)

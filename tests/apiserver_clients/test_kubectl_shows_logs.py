"""``kubectl logs``, of a node whose agent is played by the test."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from kubectls import Kubectl
from tests_apiserver import Api, pod

from master import pki


class _Agent(BaseHTTPRequestHandler):
    """Answers with what was asked."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        body = f"{asked.path}?{asked.query}\nsecond line\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def agent(certificates: pki.Pki) -> Iterator[int]:
    """The port of an agent with the certificate of node n1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Agent)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate("agent"), certificates.key("agent"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="agent of the test")
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_logs_are_asked_of_the_node(kubectl: Kubectl, admin: Api, agent: int, request: pytest.FixtureRequest) -> None:
    node = f"node-{kubectl.namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/nodes/{node}"))
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": agent}},
    }
    assert admin.post("/api/v1/nodes", {"metadata": {"name": node}, "status": status}).status == 201
    admin.post(f"/api/v1/namespaces/{kubectl.namespace}/pods", pod("web", nodeName=node))
    first, second = kubectl("logs", "web", "--tail=5", "--timestamps").splitlines()
    assert first.startswith(f"/containerLogs/{kubectl.namespace}/web/c?")
    assert {"tailLines=5", "timestamps=true"} <= set(first.partition("?")[2].split("&"))
    assert second == "second line"
    assert "follow=true" in kubectl("logs", "-f", "pod/web", "-c", "c")
    assert "container nope is not valid for pod web" in kubectl.refused("logs", "web", "-c", "nope")

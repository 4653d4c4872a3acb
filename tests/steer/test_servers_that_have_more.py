"""Autoscalers, signing requests and server-side apply, of a server that has them: what is sent, and what is said."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.steer.main import main


def resource(name: str, kind: str, *, namespaced: bool = True) -> dict[str, Any]:
    return {"name": name, "singularName": kind.lower(), "kind": kind, "namespaced": namespaced, "verbs": ["get"]}


def listed(version: str, *resources: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIResourceList", "groupVersion": version, "resources": list(resources)}


REQUEST = {
    "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "one"},
    "spec": {"request": "x"}, "status": {},
}  # fmt: skip
GROUPS = [("apps", "v1"), ("certificates.k8s.io", "v1")]
ANSWERS: dict[str, Any] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [{"name": name, "versions": [{"version": version}]} for name, version in GROUPS],
    },
    "/api/v1": listed("v1", resource("configmaps", "ConfigMap")),
    "/apis/apps/v1": listed("apps/v1", resource("deployments", "Deployment")),
    "/apis/certificates.k8s.io/v1": listed(
        "certificates.k8s.io/v1",
        resource("certificatesigningrequests", "CertificateSigningRequest", namespaced=False),
    ),
    "/apis/certificates.k8s.io/v1/certificatesigningrequests/one": REQUEST,
    "/apis/apps/v1/namespaces/default/deployments/web": {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {},
    },
}  # fmt: skip


class Server:
    """Gives its answers, takes what is written and hands it back. ``written``: method, path and body."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = ANSWERS.get(self.path.partition("?")[0])
                self._give(200 if found else 404, found or {"kind": "Status", "code": 404, "reason": "NotFound"})

            def _take(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.written.append((f"{self.command} {self.headers['Content-Type']}", self.path, body))
                self._give(200, body)

            do_POST = do_PUT = do_PATCH = _take  # noqa: N815

            def _give(self, code: int, document: Any) -> None:
                text = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def run(self, *words: str) -> int:
        return main(["-s", f"http://127.0.0.1:{self.server.server_address[1]}", *words])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    made = Server()
    thread = threading.Thread(target=made.server.serve_forever, name="server under test")
    thread.start()
    yield made
    made.server.shutdown()
    thread.join(20)
    made.server.server_close()


@pytest.mark.parametrize(("verb", "condition"), [("approve", "Approved"), ("deny", "Denied")])
def test_a_signing_request_is_decided(
    server: Server, verb: str, condition: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert server.run("certificate", verb, "one") == 0
    done = {"approve": "approved", "deny": "denied"}[verb]
    assert capsys.readouterr().out == f"certificatesigningrequest.certificates.k8s.io/one {done}\n"
    [(how, path, body)] = server.written
    assert how.startswith("PUT")
    assert path == "/apis/certificates.k8s.io/v1/certificatesigningrequests/one/approval"
    [made] = body["status"]["conditions"]
    assert (made["type"], made["status"], made["reason"]) == (condition, "True", f"Steer{condition}")


def test_a_deployment_is_scaled_by_the_server(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert server.run("autoscale", "deployment/web", "--min=2", "--max=5", "--cpu-percent=80") == 0
    assert capsys.readouterr().out == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    [(_, path, body)] = server.written
    assert path.startswith("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers?")
    target = {"type": "Utilization", "averageUtilization": 80}
    assert body["spec"] == {
        "minReplicas": 2, "maxReplicas": 5,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    }  # fmt: skip


def test_the_server_applies(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "map.json"
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "b"}}
    file.write_text(json.dumps(wanted))
    assert server.run("apply", "-f", str(file), "--server-side", "--force-conflicts") == 0
    assert capsys.readouterr().out == "configmap/m serverside-applied\n"
    [(how, path, body)] = server.written
    assert how == "PATCH application/apply-patch+yaml"
    assert path.startswith("/api/v1/namespaces/default/configmaps/m?")
    assert "fieldManager=kubectl" in path
    assert "force=true" in path
    assert body == wanted

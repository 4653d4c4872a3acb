"""A whole apiserver in a process of its own, as `steersman apiserver` starts it, and clients that it knows.

TLS, RBAC and admission are on and the store is durable. The load comes from a user of its own, who is no administrator:
a cluster role and a binding say what it may.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import busy_s
from bench.wrk import ClientCertificate
from master import pki
from master.certificates import Subject
from master.pki import Identity, apiserver_identity

# As an installation has it: a package that only the tests need, and that msgspec loads where it finds it, is hidden.
STEERSMAN = (
    sys.executable,
    "-c",
    "import sys; sys.modules['typing_extensions'] = None; from cli.steersman import main; sys.exit(main())",
)
PODS = "/api/v1/namespaces/default/pods"
_LIMIT_S = 60.0
_USER = "bench"


@dataclass(frozen=True, slots=True)
class Served:
    """One running apiserver; times are seconds, memory is MiB."""

    port: int
    process: int
    cold_start_s: float
    certificates: pki.Pki

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def client(self) -> ClientCertificate:
        """Of the user who sends the load."""
        return ClientCertificate(self.certificates.certificate(_USER), self.certificates.key(_USER))

    def context(self) -> ssl.SSLContext:
        """The same, for clients in Python."""
        context = ssl.create_default_context(cafile=self.certificates.ca_certificate)
        context.load_cert_chain(self.client.certificate, self.client.key)
        return context

    @property
    def busy_s(self) -> float:
        """Processor time of the server so far, all threads."""
        return busy_s(self.process)

    @property
    def resident_mib(self) -> float:
        return _kib(self.process, "Rss") / 1024

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the load's user; raises RuntimeError for a refusal."""
        return _call(self.port, self.context(), method, path, body)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    """An apiserver on an empty store in ``folder``."""
    people = (
        apiserver_identity(
            host_name=socket.gethostname(), addresses=(), service_ip="10.96.0.1", domain="cluster.local"
        ),
        Identity(name=_USER, subject=Subject(common_name=_USER, client=True)),
        Identity(name="root", subject=Subject(common_name="root", organizations=("system:masters",), client=True)),
        *(one for one in pki.standard_identities(node_name="unused") if one.name == "apiserver-kubelet-client"),
    )
    port = free_port()
    made = pki.ensure(folder / "etc", people, server=f"https://127.0.0.1:{port}")
    settings = [f"--secure-port={port}", "--bind-address=127.0.0.1", f"--data-dir={folder / 'data'}"]
    # 5,000 nodes have two each.
    settings.append("--max-connections=20000")
    command = [*STEERSMAN, "apiserver", *settings, f"--config-dir={folder / 'etc'}"]
    environment = with_bytecode(command)
    begun = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "--log-level=warning"], stderr=log, env=environment)
    try:
        root = ssl.create_default_context(cafile=made.ca_certificate)
        root.load_cert_chain(made.certificate("root"), made.key("root"))
        _wait_until_healthy(port, root, begun)
        server = Served(port, process.pid, time.perf_counter() - begun, made)
        _give_rights(port, root)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_LIMIT_S)
        print((folder / "log").read_text(), end="", file=sys.stderr)


def with_bytecode(command: list[str]) -> dict[str, str]:
    """The environment for a server as its unit has it, whose modules are compiled, not at its start."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["MALLOC_ARENA_MAX"] = "1"
    subprocess.run([*command, "--check-config"], check=True, stdout=subprocess.DEVNULL, env=environment)
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import master.apiserver.main, master.store.sqlite, master.controllers.main, master.scheduler.main",
        ],
        check=True,
        env=environment,
    )
    return environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_healthy(port: int, context: ssl.SSLContext, begun: float) -> None:
    while time.perf_counter() < begun + _LIMIT_S:
        with contextlib.suppress(OSError, RuntimeError):
            _call(port, context, "GET", "/healthz")
            return
        time.sleep(0.002)
    raise RuntimeError("the apiserver did not become healthy")


def _give_rights(port: int, root: ssl.SSLContext) -> None:
    rule = {"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["*"]}
    role = {"metadata": {"name": _USER}, "rules": [rule]}
    subject = {"kind": "User", "name": _USER, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": _USER, "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": _USER}, "subjects": [subject], "roleRef": reference}
    for plural, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        _call(port, root, "POST", f"/apis/rbac.authorization.k8s.io/v1/{plural}", body)


def _call(port: int, context: ssl.SSLContext, method: str, path: str, body: Any = None) -> Any:
    with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=_LIMIT_S)) as one:
        one.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = one.getresponse()
        text = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
    return json.loads(text) if text.startswith(b"{") else text


def _kib(process: int, field: str) -> int:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise RuntimeError(f"no {field} of process {process}")


def pod(name: str) -> dict[str, Any]:
    """A pod of about 1.4 KB, as a controller makes it; a name that ends with a dash is one to generate from."""
    container = {
        "name": "php-redis",
        "image": "example.com/guestbook/frontend:v4",
        "env": [{"name": "GET_HOSTS_FROM", "value": "dns"}] + [{"name": f"V{n}", "value": "x" * 20} for n in range(6)],
        "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
    }
    named = {"name": name} if not name.endswith("-") else {"generateName": name}
    labels = {"app": "guestbook", "tier": "frontend", "shard": name.rpartition("-")[2][-2:] or "00"}
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "name": "frontend", "uid": "0" * 36}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**named, "labels": labels, "ownerReferences": [owner]},
        "spec": {"containers": [container]},
    }

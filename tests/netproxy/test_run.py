"""The whole proxy on a node of its own: an API server to listen to, rules, sockets, health."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from api.core import Endpoints, Service
from api.core.service import EndpointAddress, EndpointPort, EndpointSubset, ServicePort, ServiceSpec
from api.meta import ObjectMeta
from netproxy import main
from netproxy.config import Config
from tests.netproxy.api_server import ApiServer
from tests.netproxy.networks import NODE_IP, POD_IP, Namespace, Site, site
from tests.netproxy.servers import LIMIT_S, Server, naming, read_all, wait_until

pytestmark = pytest.mark.netns

CIDR, CLUSTER_IP, NODE_PORT = "10.99.0.0/16", "10.99.0.10", 30080
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
clusters: [{name: it, cluster: {server: URL}}]
users: [{name: it, user: {token: secret}}]
"""


class Cluster:
    """A site with an API server on its node."""

    def __init__(self, place: Site, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.servers: list[Server] = []
        with place.node.inside():
            self.api = ApiServer()
        (folder / "kubeconfig").write_text(KUBECONFIG.replace("URL", self.api.url))

    @property
    def config(self) -> Config:
        return Config(
            kubeconfig=self.folder / "kubeconfig",
            node_name="node-1",
            cluster_cidr=CIDR,
            chain_prefix="STT",
            healthz_bind_address="127.0.0.1",
            healthz_port=10256,
            state_file=self.folder / "state.json",
            rule_check_s=0.3,
        )

    def pod(self, name: bytes) -> Server:
        """A pod that says its name."""
        with self.place.pod.inside():
            self.servers.append(Server(naming(name), POD_IP))
        return self.servers[-1]

    def service(self, *pods: Server, node_port: int = NODE_PORT) -> None:
        """Write the service web and its endpoints."""
        meta = ObjectMeta(name="web", namespace="default")
        spec = ServiceSpec(
            type="NodePort",
            cluster_ip=CLUSTER_IP,
            ports=[ServicePort(name="http", port=80, node_port=node_port)],
        )
        subsets = [
            EndpointSubset(
                addresses=[EndpointAddress(ip=pod.endpoint[0])],
                ports=[EndpointPort(name="http", port=pod.endpoint[1])],
            )
            for pod in pods
        ]
        self.api.put(Service(metadata=meta, spec=spec))
        self.api.put(Endpoints(metadata=meta, subsets=subsets))

    def ask(self, namespace: Namespace, address: str = CLUSTER_IP, port: int = 80) -> bytes:
        """What the service says; empty when nobody does."""
        with namespace.inside():
            try:
                sock = socket.create_connection((address, port), timeout=LIMIT_S)
            except OSError:
                return b""
            with sock:
                try:
                    return read_all(sock)
                except ConnectionResetError:
                    return b""

    def until(self, answer: bytes) -> None:
        """Wait until the service says this to a pod. Before the first rules a connection would hang for a second."""
        wait_until(self.config.state_file.exists)
        wait_until(lambda: self.ask(self.place.pod) == answer)

    def fetch(self, path: str) -> tuple[int, str]:
        """Status and body from the health port."""
        with self.place.node.inside():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:10256{path}", timeout=LIMIT_S) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

    def close(self) -> None:
        for server in self.servers:
            server.close()
        self.api.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with site() as place:
        cluster = Cluster(place, tmp_path)
        yield cluster
        cluster.close()


@pytest.fixture
def running(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with netproxy on its node, in a thread."""
    stop = Event()
    with cluster.place.node.inside():
        thread = Thread(target=main.run, args=(cluster.config, stop), name="test-netproxy")
        thread.start()
    yield cluster
    stop.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def test_a_service_is_served_as_soon_as_the_api_has_it(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    running.until(b"a")
    assert running.ask(running.place.client, NODE_IP, NODE_PORT) == b"a"


def test_endpoints_are_followed(running: Cluster) -> None:
    old, new = running.pod(b"old"), running.pod(b"new")
    running.service(old)
    running.until(b"old")
    running.service(new)
    running.until(b"new")
    running.service()
    running.until(b"")


def test_a_deleted_service_is_refused(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    running.until(b"a")
    running.api.delete(Service(metadata=ObjectMeta(name="web", namespace="default")))
    running.until(b"")
    assert running.ask(running.place.client, NODE_IP, NODE_PORT) == b""


def test_rules_that_someone_removed_come_back_by_themselves(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    running.until(b"a")
    running.place.node.run("iptables", "-t", "nat", "-F")
    running.until(b"a")


def test_a_taken_node_port_is_told_and_held_when_it_is_free(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "CLASH_RETRY_S", 0.2)
    with running.place.node.inside():
        other = Server(naming(b"other"), "0.0.0.0", NODE_PORT)
    try:
        running.service(running.pod(b"a"))
        wait_until(lambda: bool(running.api.events))
        running.until(b"a")
        assert running.ask(running.place.client, NODE_IP, NODE_PORT) == b"other"
    finally:
        other.close()
    (event, *_) = running.api.events
    assert (event["reason"], event["type"], event["involvedObject"]["name"]) == ("NodePortTaken", "Warning", "web")
    assert event["message"] == "node port 30080 cannot be held on node-1: Address already in use; trying again"
    wait_until(lambda: running.ask(running.place.client, NODE_IP, NODE_PORT) == b"a")
    assert len(running.api.events) == 1


def test_the_node_port_is_really_held(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    wait_until(lambda: running.ask(running.place.client, NODE_IP, NODE_PORT) == b"a")
    with running.place.node.inside(), pytest.raises(OSError, match="in use"):
        Server(naming(b"thief"), "0.0.0.0", NODE_PORT)


def test_health_and_metrics(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    running.until(b"a")
    wait_until(lambda: running.fetch("/healthz")[0] == 200)
    status, body = running.fetch("/healthz")
    assert (status, sorted(json.loads(body))) == (200, ["currentTime", "lastUpdated"])
    assert running.fetch("/nothing")[0] == 404
    metrics = running.fetch("/metrics")[1]
    labels = 'namespace="default",port="http",service="web"'
    assert f"netproxy_connections_total{{{labels}}} 1.0" in metrics
    assert f"netproxy_active_connections{{{labels}}} 0.0" in metrics
    assert 'netproxy_picks_total{endpoint="10.244.9.2:' in metrics
    assert "kubeproxy_sync_proxy_rules_duration_seconds_bucket" in metrics
    assert "netproxy_faults_total 0.0" in metrics


def test_health_is_bad_while_rules_cannot_be_written(cluster: Cluster) -> None:
    """Before the first good pass nothing is served, and that is said."""
    cluster.api.close()
    stop = Event()
    with cluster.place.node.inside():
        thread = Thread(target=main.run, args=(cluster.config, stop), name="test-netproxy")
        thread.start()
    try:
        wait_until(lambda: _answers(cluster))
        assert cluster.fetch("/healthz")[0] == 503
        assert cluster.fetch("/livez")[0] == 200
    finally:
        stop.set()
        thread.join(LIMIT_S)
        with cluster.place.node.inside():
            cluster.api = ApiServer(cluster.api.port)


def _answers(cluster: Cluster) -> bool:
    try:
        return cluster.fetch("/livez")[0] == 200
    except OSError:
        return False


def _start(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Netproxy as a program of its own, on the node."""
    config = cluster.config
    program = (
        "import sys, threading; from pathlib import Path; from netproxy.config import Config;"
        "from netproxy.main import run;"
        "run(Config(kubeconfig=Path(sys.argv[1]), cluster_cidr=sys.argv[2], chain_prefix='STT', healthz_port=10256,"
        " state_file=Path(sys.argv[3])), threading.Event())"
    )
    arguments = [str(config.kubeconfig), CIDR, str(config.state_file)]
    with cluster.place.node.inside():
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
        )


@contextlib.contextmanager
def _program(cluster: Cluster) -> Iterator[Callable[[], None]]:
    """A running program; call what it gives to kill it."""
    process = _start(cluster)

    def kill() -> None:
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)

    try:
        yield kill
    finally:
        kill()


def test_killed_and_started_again_it_serves_within_two_seconds_on_the_same_rules(cluster: Cluster) -> None:
    cluster.service(cluster.pod(b"a"))
    with _program(cluster) as kill:
        cluster.until(b"a")
        kill()
    rules = cluster.place.node.run("iptables", "-t", "nat", "-S")
    assert cluster.ask(cluster.place.client) == b""
    begin = time.monotonic()
    with _program(cluster):
        cluster.until(b"a")
        assert time.monotonic() - begin < 2.0
        assert cluster.place.node.run("iptables", "-t", "nat", "-S") == rules


def test_it_starts_without_a_master_from_what_was_known(cluster: Cluster) -> None:
    cluster.service(cluster.pod(b"a"))
    with _program(cluster) as kill:
        cluster.until(b"a")
        kill()
    cluster.api.close()
    try:
        with _program(cluster):
            cluster.until(b"a")
    finally:
        with cluster.place.node.inside():
            cluster.api = ApiServer(cluster.api.port)


def test_cleanup_removes_rules_route_and_state(cluster: Cluster) -> None:
    cluster.service(cluster.pod(b"a"))
    with _program(cluster):
        cluster.until(b"a")
    with cluster.place.node.inside():
        assert f"file {cluster.config.state_file}" in main.cleanup(cluster.config)
        assert main.cleanup(cluster.config) == []
    assert "STT" not in cluster.place.node.run("iptables-save")
    assert CIDR not in cluster.place.node.run("ip", "route")

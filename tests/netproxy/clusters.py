"""A node of its own with an API server to listen to, and netproxy on it, as a thread or as a program."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

from api.core import Endpoints, Service
from api.core.service import EndpointAddress, EndpointPort, EndpointSubset, ServicePort, ServiceSpec
from api.discovery import Endpoint as SliceEndpoint
from api.discovery import EndpointConditions, EndpointSlice, SlicePort
from api.meta import ObjectMeta
from netproxy import main
from netproxy.config import Config
from netproxy.modes import USERSPACE
from tests.e2e.waiting import until
from tests.netproxy.api_server import ApiServer
from tests.netproxy.networks import NODE_IP, POD_IP, Namespace, Site
from tests.netproxy.servers import LIMIT_S, Server, naming, read_all

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
        self.slices = False
        """Whether endpoints are written as slices."""
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
        if self.slices:
            self.api.put(self.slice_of(*pods))
            return
        self.api.put(Endpoints(metadata=meta, subsets=subsets))

    def slice_of(self, *pods: Server, ending: tuple[Server, ...] = ()) -> EndpointSlice:
        """The slice of the service web; all of its pods must have the first one's port."""
        meta = ObjectMeta(name="web-1", namespace="default", labels={"kubernetes.io/service-name": "web"})
        found = [
            SliceEndpoint(
                addresses=[pod.endpoint[0]],
                conditions=EndpointConditions(ready=pod in pods, serving=True, terminating=pod in ending),
                node_name="node-1",
            )
            for pod in (*pods, *ending)
        ]
        ports = [SlicePort(name="http", port=(*pods, *ending)[0].endpoint[1], protocol="TCP")]
        return EndpointSlice(metadata=meta, address_type="IPv4", endpoints=found, ports=ports)

    def ask(self, namespace: Namespace, address: str = CLUSTER_IP, port: int = 80) -> bytes:
        """What the service says; empty when nobody does."""
        with namespace.inside():
            try:
                sock = socket.create_connection((address, port), timeout=LIMIT_S)
            except OSError:
                return b""
            with sock:
                try:
                    sock.shutdown(socket.SHUT_WR)
                    return read_all(sock)
                except OSError:
                    return b""

    def until(self, answer: bytes) -> None:
        """Wait until the service says this to a pod. Before the first rules a connection would hang for a second."""
        until(self.config.state_file.exists)
        until(lambda: self.ask(self.place.pod) == answer)

    def fetch(self, path: str) -> tuple[int, str]:
        """Status and body from the health port."""
        with self.place.node.inside():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:10256{path}", timeout=LIMIT_S) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

    def check_health(self, port: int) -> tuple[int, int]:
        """Status and number of local endpoints, as a load balancer outside is told them."""
        with self.place.client.inside():
            connection = http.client.HTTPConnection(NODE_IP, port, timeout=LIMIT_S)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                told = json.loads(answer.read())
        assert told["service"] == {"namespace": "default", "name": "web"}
        return answer.status, told["localEndpoints"]

    def close(self) -> None:
        for server in self.servers:
            server.close()
        self.api.close()


@contextlib.contextmanager
def started(cluster: Cluster, config: Config | None = None) -> Iterator[None]:
    """Netproxy on the cluster's node, in a thread."""
    stop = Event()
    with cluster.place.node.inside():
        thread = Thread(target=main.run, args=(config or cluster.config, stop), name="test-netproxy")
        thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()


def _start(cluster: Cluster, proxy_mode: str) -> subprocess.Popen[bytes]:
    """Netproxy as a program of its own, on the node."""
    config = cluster.config
    program = (
        "import sys, threading; from pathlib import Path; from netproxy.config import Config;"
        "from netproxy.main import run;"
        "run(Config(kubeconfig=Path(sys.argv[1]), cluster_cidr=sys.argv[2], chain_prefix='STT', healthz_port=10256,"
        " state_file=Path(sys.argv[3]), proxy_mode=sys.argv[4]), threading.Event())"
    )
    arguments = [str(config.kubeconfig), CIDR, str(config.state_file), proxy_mode]
    with cluster.place.node.inside():
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
        )


@contextlib.contextmanager
def program(cluster: Cluster, proxy_mode: str = USERSPACE) -> Iterator[Callable[[], None]]:
    """A running program; call what it gives to kill it."""
    process = _start(cluster, proxy_mode)

    def kill() -> None:
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)

    try:
        yield kill
    finally:
        kill()


def echo(connection: socket.socket) -> None:
    """A server that says what it hears."""
    while data := connection.recv(100):
        connection.sendall(data)


@contextlib.contextmanager
def connected(address: str, port: int) -> Iterator[socket.socket]:
    """A connection that is had within the limit: there may be no rules yet."""
    found: list[socket.socket] = []

    def reached() -> bool:
        try:
            found.append(socket.create_connection((address, port), timeout=1.0))
        except OSError:
            return False
        return True

    until(reached)
    with found[0] as sock:
        sock.settimeout(LIMIT_S)
        yield sock

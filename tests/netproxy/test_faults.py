"""What goes wrong around the proxy stays where it is: silent endpoints, deaf clients, locks, kills, masses."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from netproxy.dataplane.plane import DataPlane
from netproxy.modes import NFTABLES, USERSPACE
from netproxy.portals import legacy
from netproxy.services import Endpoint, PortName, Protocol, ServicePort
from tests.e2e.waiting import until
from tests.netproxy.clusters import NODE_PORT, Cluster, connected, echo, program, started
from tests.netproxy.full_table import FullTable
from tests.netproxy.networks import NODE_IP, POD_IP, Site, site
from tests.netproxy.nodes import IPTABLES, KERNEL, Node, ask_from
from tests.netproxy.planes import plane_of_its_own
from tests.netproxy.servers import LIMIT_S, Server, ask, naming, port, read_all

OUTSIDE = ("203.0.113.7",)
"""A service with such an address has a proxy port of its own, at which it is found without any rule."""
RESTART_LIMIT_S = 60.0
MANY = 5_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with site() as place:
        cluster = Cluster(place, tmp_path)
        yield cluster
        cluster.close()


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_endpoint_that_never_answers_stalls_nobody_and_is_left_with_its_client(
    plane: DataPlane, serve: Callable[..., Server]
) -> None:
    over = Event()
    silent = port(serve(lambda _: over.wait(LIMIT_S)).endpoint, service="silent", external_ips=OUTSIDE)
    web = port(serve(naming(b"web")).endpoint, external_ips=OUTSIDE)
    ports = plane.apply({silent.name: silent, web.name: web}).proxy_ports
    clients = [socket.create_connection(("127.0.0.1", ports[silent.name]), timeout=LIMIT_S) for _ in range(20)]
    for client in clients:
        client.sendall(b"hello?")
    assert [ask(("127.0.0.1", ports[web.name])) for _ in range(10)] == [b"web"] * 10
    counters = plane.counters()[silent.name]
    assert counters.active == len(clients)
    for client in clients:
        client.close()
    over.set()
    until(lambda: counters.active == 0)


def test_clients_that_never_read_cost_a_buffer_each(serve: Callable[..., Server]) -> None:
    sent: dict[int, int] = {}

    def flood(connection: socket.socket) -> None:
        while True:
            sent[connection.fileno()] = sent.get(connection.fileno(), 0) + connection.send(b"z" * 65536)

    with plane_of_its_own(serve(flood).endpoint) as plane, contextlib.ExitStack() as open_ones:
        assert len(ask_some(plane.address)) > 0
        before = plane.process.memory_info().rss
        for _ in range(40):
            open_ones.enter_context(socket.create_connection(plane.address, timeout=LIMIT_S))
        until(lambda: len(sent) >= 40, limit_s=60)
        _wait_until_still(sent)
        # Each may hold one buffer of 64 KiB; the rest waits in the kernel, which bounds it itself.
        assert plane.process.memory_info().rss - before < 40 * 2 * 65536 + (4 << 20)


def ask_some(address: Endpoint) -> bytes:
    """Some of what an endless server says."""
    with socket.create_connection(address, timeout=LIMIT_S) as sock:
        return sock.recv(65536)


def _wait_until_still(sent: dict[int, int]) -> None:
    """Return when nobody was sent anything for a while."""
    for _ in range(600):
        before = dict(sent)
        Event().wait(0.2)
        if sent == before:
            return
    raise AssertionError("the server goes on sending to clients that do not read")


@pytest.mark.netns
@pytest.mark.parametrize("way", [IPTABLES, KERNEL], indirect=True)
def test_thousands_of_services_come_and_go_at_once(node: Node, pods: Callable[[bytes], Server]) -> None:
    endpoint = pods(b"a").endpoint
    node.serve(_numbered(0, endpoint))
    before = node.rules()
    node.serve(*(_numbered(number, endpoint) for number in range(MANY)))
    for number in (0, 1, MANY - 1):
        assert ask_from(node.place.pod, _numbered(number, endpoint).cluster_ip, 80) == b"a"
    node.serve(_numbered(0, endpoint))
    assert node.rules() == before
    with pytest.raises(ConnectionRefusedError):
        ask_from(node.place.pod, _numbered(1, endpoint).cluster_ip, 80)
    assert ask_from(node.place.pod, _numbered(0, endpoint).cluster_ip, 80) == b"a"


def _numbered(number: int, endpoint: Endpoint) -> ServicePort:
    one = port(endpoint, service=f"web-{number}", cluster_ip=f"10.99.{1 + number // 250}.{1 + number % 250}")
    return replace(one, name=PortName("default", f"web-{number}", "http"))


@pytest.mark.netns
def test_while_another_holds_the_lock_of_iptables_it_tries_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy, "LOCK", tmp_path / "xtables.lock")  # not the host's own
    monkeypatch.setattr(legacy, "LOCK_WAIT_S", 0.2)
    failures = "kubeproxy_sync_proxy_rules_iptables_restore_failures_total"
    with (tmp_path / "xtables.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with started(cluster, replace(cluster.config, iptables_mode="legacy")):
            cluster.service(cluster.pod(b"a"))
            until(lambda: _metric(cluster, failures) >= 1)
            assert cluster.fetch("/healthz")[0] == 503
            # What needs no rule works all the same.
            until(lambda: cluster.ask(cluster.place.client, NODE_IP, NODE_PORT) == b"a")
            fcntl.flock(lock, fcntl.LOCK_UN)
            cluster.until(b"a")
            until(lambda: cluster.fetch("/healthz")[0] == 200)


@pytest.mark.netns
@pytest.mark.parametrize("way", [IPTABLES], indirect=True)
def test_while_the_table_of_connections_is_full_old_ones_go_on_and_new_ones_wait(
    node: Node, serve: Callable[..., Server]
) -> None:
    def echo(connection: socket.socket) -> None:
        while said := connection.recv(100):
            connection.sendall(said)

    place = node.place
    with place.pod.inside():
        server = serve(echo, POD_IP)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((POD_IP, 5353))
    web = port(server.endpoint, service="web", cluster_ip="10.99.0.11", node_port=NODE_PORT)
    names = port((POD_IP, 5353), service="names", cluster_ip="10.99.0.12", node_port=NODE_PORT, protocol=Protocol.UDP)
    node.serve(web, names)
    address = (NODE_IP, NODE_PORT)
    with datagrams, place.client.inside(), contextlib.ExitStack() as stack:
        held = stack.enter_context(socket.create_connection(address, timeout=LIMIT_S))
        asking = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        def says(client: socket.socket) -> bytes:
            client.sendall(b"there?")
            return client.recv(100)

        assert says(held) == b"there?"
        counters, table = node.mode.counters(), FullTable(place.node)
        stack.callback(table.close)
        table.fill()
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.3)
        assert says(held) == b"there?"
        table.free(1)  # the client comes in, and the way to an endpoint is not to be had
        asking.sendto(b"?", address)
        until(lambda: counters[names.name].failed_dials > 0)
        table.fill()
        waiting = stack.enter_context(_as_soon_as_let_in(address, table))
        waiting.sendall(b"there?")
        until(lambda: counters[web.name].failed_dials > 0)
        assert says(held) == b"there?"
        table.free(50)
        assert waiting.recv(100) == b"there?"
        datagrams.settimeout(LIMIT_S)
        asking.sendto(b"again", address)
        assert datagrams.recv(100) == b"again"
        assert says(stack.enter_context(socket.create_connection(address, timeout=LIMIT_S))) == b"there?"


def _as_soon_as_let_in(address: tuple[str, int], table: FullTable) -> socket.socket:
    """A connection that takes the last room there is; now and then somebody else takes it first."""
    for _ in range(20):
        table.free(1)
        with contextlib.suppress(TimeoutError):
            sock = socket.create_connection(address, timeout=0.5)
            sock.settimeout(LIMIT_S)
            return sock
    raise AssertionError("nobody is let in")


def _metric(cluster: Cluster, name: str) -> float:
    try:
        text = cluster.fetch("/metrics")[1]
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)


class Load:
    """Clients outside that ask the node port without a pause."""

    def __init__(self, place: Site) -> None:
        self.served = 0
        self._place = place
        self._over = Event()
        self._threads = [Thread(target=self._ask, name=f"test-load-{number}") for number in range(4)]

    def _ask(self) -> None:
        while not self._over.is_set():
            address = (NODE_IP, NODE_PORT)
            with (
                self._place.client.inside(),
                contextlib.suppress(OSError),
                socket.create_connection(address, timeout=1.0) as sock,
            ):
                self.served += read_all(sock) == b"a"
            self._over.wait(0.002)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def wait_for(self, more: int) -> None:
        """Return when so many more were served."""
        goal = self.served + more
        until(lambda: self.served >= goal, limit_s=RESTART_LIMIT_S)


@pytest.mark.netns
@pytest.mark.parametrize("mode", [USERSPACE, NFTABLES])
def test_killed_under_load_and_started_again_it_serves_on(cluster: Cluster, mode: str) -> None:
    cluster.service(cluster.pod(b"a"))
    with Load(cluster.place) as load:
        for _ in range(3):
            with program(cluster, mode) as kill:
                load.wait_for(50)
                kill()
        with program(cluster, mode):
            load.wait_for(50)


@pytest.mark.netns
def test_connections_of_the_kernel_outlive_the_proxy(cluster: Cluster) -> None:
    with cluster.place.pod.inside():
        cluster.servers.append(Server(echo, POD_IP))
    cluster.service(cluster.servers[-1])
    with program(cluster, NFTABLES) as kill:
        until(cluster.config.state_file.exists)
        with cluster.place.client.inside(), connected(NODE_IP, NODE_PORT) as sock:
            sock.sendall(b"with it")
            assert sock.recv(100) == b"with it"
            kill()
            sock.sendall(b"without it")
            assert sock.recv(100) == b"without it"
            with program(cluster, NFTABLES):
                until(lambda: _answers(cluster))
                sock.sendall(b"with the next")
                assert sock.recv(100) == b"with the next"


def _answers(cluster: Cluster) -> bool:
    try:
        return cluster.fetch("/healthz")[0] == 200
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.netns
def test_with_twenty_thousand_descriptors_nearly_ten_thousand_connections_are_held(tmp_path: Path) -> None:
    """The figures of the bench, as a test: as many as go, and new ones get through when the old ones end."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.proxy", "--only", "held memory", "--ways", "ours"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    held = [line.split() for line in done.stdout.splitlines() if line.startswith("ours:")]
    assert [int(words[1]) >= wanted for words, wanted in zip(held, (1_000, 9_900), strict=True)] == [True, True]
    assert [words[-1] for words in held] == ["True", "True"]
    assert float(held[0][5]) < 32, "MiB with 1,000 connections; measured 18.8 to 21"

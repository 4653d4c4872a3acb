"""Nodes on one network, with a real master and a client: who answers for the address of a load balancer."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from api.coordination import Lease
from api.core import Event, Node, Service
from api.core.service import ServicePort, ServiceSpec
from api.discovery import Endpoint, EndpointConditions, EndpointSlice, SlicePort
from api.meta import ObjectMeta
from client import Client
from netproxy.announcing.election import LEASE_S
from tests.controllers.live import Master
from tests.e2e.waiting import until
from tests.netproxy.networks import Namespace, namespace

pytestmark = pytest.mark.netns

ROOT = Path(__file__).parents[2]
ADDRESS, MASTER, BACKEND, CLIENT = "192.0.2.200", "192.0.2.254", "192.0.2.50", "192.0.2.100"
POOL = "192.0.2.200-192.0.2.210"


class Machine:
    """A node: a network namespace on the bridge, and a netproxy in it."""

    def __init__(self, name: str, space: Namespace, kubeconfig: Path, folder: Path) -> None:
        self.name, self.space = name, space
        self._kubeconfig, self._folder = kubeconfig, folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = (
            "nsenter", f"--net=/run/netns/{self.space.name}", sys.executable, "-m", "cli.steersman", "netproxy",
            f"--kubeconfig={self._kubeconfig}", f"--node-name={self.name}", f"--load-balancer-pool={POOL}",
            "--cluster-cidr=10.99.0.0/16", f"--state-file={self._folder}/{self.name}.json", "--node-port-range=",
        )  # fmt: skip
        with (self._folder / f"{self.name}.log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(60)

    @property
    def log(self) -> str:
        return (self._folder / f"{self.name}.log").read_text()

    @property
    def addresses(self) -> str:
        return self.space.run("ip", "-4", "-oneline", "address")

    @property
    def has_address(self) -> bool:
        return f" {ADDRESS}/32 " in self.addresses

    @property
    def metrics(self) -> str:
        return self.space.run("curl", "-s", "--noproxy", "*", "--max-time", "10", "http://127.0.0.1:10256/metrics")

    @property
    def announced(self) -> str:
        """Its series of the address."""
        found = [line for line in self.metrics.splitlines() if line.startswith("metallb_speaker_announced{")]
        return "".join(line for line in found if f'ip="{ADDRESS}"' in line)

    @property
    def mac(self) -> str:
        return self.space.run("ip", "-oneline", "link", "show", "eth0").partition("link/ether ")[2].split()[0]


class Network:
    """The bridge with the master on it, two nodes, a backend and a client."""

    def __init__(self, middle: Namespace, client: Namespace, nodes: list[Machine], master: Master) -> None:
        self.middle, self.client, self.nodes, self.master = middle, client, nodes, master

    def holders(self) -> list[Machine]:
        return [node for node in self.nodes if node.has_address]

    def holder(self) -> Machine:
        """The one node that has the address."""
        found = until(lambda: len(self.holders()) == 1 and self.holders())
        assert found
        return found[0]

    def other(self, one: Machine) -> Machine:
        return next(node for node in self.nodes if node is not one)

    def answer(self) -> str:
        """What a client gets at the address; empty when nothing."""
        with self.client.inside():
            command = ["curl", "-s", "--noproxy", "*", "--max-time", "1", f"http://{ADDRESS}/"]
            return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout

    def neighbour(self) -> str:
        """The MAC by which the client knows the address."""
        line = self.client.run("ip", "neigh", "show", ADDRESS)
        return line.partition("lladdr ")[2].split(" ")[0]

    def asked(self, ask: Callable[[Client], object]) -> None:
        with self.middle.inside():
            client = self.master.client("admin")
            try:
                ask(client)
            finally:
                client.close()

    def said_of_the_service(self) -> list[str]:
        """What `kubectl describe service` shows as events."""
        found: list[str] = []

        def ask(client: Client) -> None:
            uid = client.get(Service, "web", "default").metadata.uid
            events = client.list(Event, "default", fields=f"involvedObject.uid={uid}").items
            found.extend(event.message for event in events if event.reason == "nodeAssigned" and event.type == "Normal")

        self.asked(ask)
        return found

    def taken_over_by(self, machine: Machine) -> None:
        """Until this one alone has the address, the client knows it by this one's MAC, and is answered."""
        until(lambda: self.holders() == [machine])
        until(lambda: self.answer() == "served")
        until(lambda: self.neighbour() == machine.mac)  # the one before may still pass packets on to it


def attach(middle: Namespace, other: Namespace, address: str, port: str) -> None:
    middle.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", other.name)
    middle.run("ip", "link", "set", port, "master", "lan", "up")
    other.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    other.run("ip", "link", "set", "eth0", "up")
    other.run("ip", "route", "add", "default", "via", MASTER)


class Served(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"served")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def backend(space: Namespace) -> Iterator[None]:
    with space.inside():
        server = ThreadingHTTPServer((BACKEND, 80), Served)
    thread = threading.Thread(target=server.serve_forever, name="backend")
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextlib.contextmanager
def master(space: Namespace, folder: Path) -> Iterator[Master]:
    with space.inside():
        made = Master(folder, MASTER)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("balancers")
    with contextlib.ExitStack() as stack:
        middle, client, behind = (stack.enter_context(namespace()) for _ in range(3))
        middle.run("ip", "link", "add", "lan", "type", "bridge")
        middle.run("ip", "address", "add", f"{MASTER}/24", "dev", "lan")
        middle.run("ip", "link", "set", "lan", "up")
        attach(middle, client, CLIENT, "client")
        attach(middle, behind, BACKEND, "behind")
        stack.enter_context(backend(behind))
        running = stack.enter_context(master(middle, folder))
        nodes = []
        for number in (1, 2):
            space = stack.enter_context(namespace())
            attach(middle, space, f"192.0.2.{number}", f"port{number}")
            nodes.append(Machine(f"n{number}", space, running.kubeconfig("netproxy"), folder))
            stack.callback(nodes[-1].stop, signal.SIGKILL)
        made = Network(middle, client, nodes, running)
        made.asked(fill)
        for node in nodes:
            node.start()
        yield made


def fill(admin: Client) -> None:
    """Two ready nodes and a service with an address and an endpoint."""
    for name in ("n1", "n2"):
        admin.create(Node(metadata=ObjectMeta(name=name)))
        say_ready(admin, name, "True")
    service = Service(metadata=ObjectMeta(name="web", namespace="default"))
    service.spec = ServiceSpec(type="LoadBalancer", ports=[ServicePort(name="http", port=80)])
    admin.create(service)
    give(admin, ADDRESS)
    labels = {"kubernetes.io/service-name": "web"}
    one = EndpointSlice(metadata=ObjectMeta(name="web-1", namespace="default", labels=labels), address_type="IPv4")
    one.endpoints = [Endpoint(addresses=[BACKEND], conditions=EndpointConditions(ready=True))]
    one.ports = [SlicePort(name="http", port=80, protocol="TCP")]
    admin.create(one)


def give(admin: Client, address: str) -> None:
    """What the service controller does."""
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}}}
    admin.patch(Service, "web", "default", status, subresource="status", form="merge")


def say_ready(admin: Client, name: str, status: str) -> None:
    conditions = [{"type": "Ready", "status": status}]
    admin.patch(Node, name, "", {"status": {"conditions": conditions}}, subresource="status", form="merge")


def test_one_node_answers_and_a_client_reaches_the_service_by_it(network: Network) -> None:
    holder = network.holder()
    network.taken_over_by(holder)
    assert "steer-lb" in holder.addresses
    series = (
        f'metallb_speaker_announced{{ip="{ADDRESS}",node="{holder.name}",protocol="layer2",service="default/web"}} 1.0'
    )
    assert holder.announced == series
    assert network.other(holder).announced == ""
    told = f'announcing from node "{holder.name}" with protocol "layer2"'
    until(lambda: told in network.said_of_the_service())


def test_a_holder_that_is_killed_is_followed_by_another(network: Network) -> None:
    first = network.holder()
    network.taken_over_by(first)
    second = network.other(first)
    first.stop(signal.SIGKILL)
    network.taken_over_by(second)
    assert not first.has_address, "the kernel takes it away, though nobody is left who would"
    assert "\nnetproxy_load_balancer_takeovers_total 1.0\n" in second.metrics
    assert second.announced
    first.start()
    until(lambda: "netproxy started" in first.log)
    network.taken_over_by(second)
    assert "answering for" not in first.log


def test_a_holder_that_is_started_again_at_once_goes_on(network: Network) -> None:
    holder = network.holder()
    holder.stop(signal.SIGKILL)
    holder.start()
    # On a machine so busy that a start takes longer than the lease, the other node has taken over.
    until(lambda: "answering for" in holder.log or network.other(holder).has_address)
    if network.other(holder).has_address:
        pytest.skip("the start took longer than the lease")
    network.taken_over_by(holder)


def test_a_holder_cut_off_from_the_master_gives_way_to_the_one_that_took_over(network: Network) -> None:
    first = network.holder()
    second = network.other(first)
    cuts = (("OUTPUT", "-d", MASTER), ("INPUT", "-s", MASTER))
    for cut in cuts:
        first.space.run("iptables", "-A", *cut, "-p", "tcp", "-j", "DROP")
    try:
        network.taken_over_by(second)
        assert "another host answers" in first.log
    finally:
        for cut in cuts:
            first.space.run("iptables", "-D", *cut, "-p", "tcp", "-j", "DROP")
    until(lambda: "heartbeat renewed again" in first.log or not first.has_address)
    network.taken_over_by(second)


def test_while_the_master_is_away_for_all_the_holder_goes_on(network: Network) -> None:
    holder = network.holder()
    network.taken_over_by(holder)
    network.master.fall()
    try:
        until(lambda: "heartbeat not renewed" in holder.log)
        end = time.monotonic() + 2 * LEASE_S
        while time.monotonic() < end:
            assert network.answer() == "served"
            assert network.holders() == [holder]
    finally:
        network.master.rise()
    until(lambda: "heartbeat renewed again" in holder.log)
    network.taken_over_by(holder)


def test_a_node_that_is_not_ready_hands_its_addresses_over(network: Network) -> None:
    first = network.holder()
    network.asked(lambda admin: say_ready(admin, first.name, "False"))
    network.taken_over_by(network.other(first))
    network.asked(lambda admin: say_ready(admin, first.name, "True"))


def test_an_address_that_a_stranger_has_is_left_to_it_until_it_goes(network: Network) -> None:
    stranger = ("192.0.2.201/32", "dev", "eth0")
    network.client.run("ip", "address", "add", *stranger)
    network.asked(lambda admin: give(admin, "192.0.2.201"))
    until(lambda: any("taken by a stranger address=192.0.2.201" in node.log for node in network.nodes))
    assert not any("192.0.2.201" in node.addresses for node in network.nodes)
    network.client.run("ip", "address", "del", *stranger)
    until(lambda: [node for node in network.nodes if "192.0.2.201" in node.addresses])
    network.asked(lambda admin: give(admin, ADDRESS))
    network.taken_over_by(network.holder())


def test_a_node_that_stops_takes_its_address_with_it_and_leaves_no_lease(network: Network) -> None:
    first = network.holder()
    second = network.other(first)
    first.stop()
    assert not first.has_address
    network.taken_over_by(second)
    second.stop()
    assert network.holders() == []
    left: list[str] = []
    network.asked(lambda admin: left.extend(one.metadata.name for one in admin.list(Lease, "kube-system").items))
    assert f"load-balancer-{ADDRESS}" not in left


def test_cleanup_takes_away_what_is_left(network: Network, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from netproxy.announcing.addresses import Addresses
from netproxy.config import Config
from netproxy.main import cleanup
from netproxy.traces import seen
Addresses("LEFT").keep("192.0.2.209", "eth0", for_s=600)
Addresses("OTHER").keep("192.0.2.208", "eth0", for_s=600)
config = Config(chain_prefix="LEFT", state_file=Path("{tmp_path}/state.json"), node_port_range="")
print(seen(config), cleanup(config), seen(config), sep="\\n")
"""
    machine = network.nodes[0]
    before, removed, after = machine.space.run(sys.executable, "-c", code).splitlines()
    assert "address 192.0.2.209" in before
    assert "address 192.0.2.209" in removed
    assert "192.0.2" not in after
    assert "192.0.2.209" not in machine.addresses
    assert "192.0.2.208" in machine.addresses, "another cluster's"

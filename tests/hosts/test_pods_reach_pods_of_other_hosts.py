"""Three hosts with a pod each: their pods reach each other by address, and nothing stale is left."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.waiting import until
from tests.hosts.namespaces import BRIDGE, CLUSTER, ROOT, Host, Hosts, Space, make_hosts

pytestmark = pytest.mark.netns

_SERVE = """
import socket
with socket.create_server(("", 7000)) as door:
    print("up", flush=True)
    connection, (address, _) = door.accept()
    with connection:
        size = 0
        while data := connection.recv(1 << 20):
            size += len(data)
    print(address, size)
"""
_SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], 7000), 10) as connection:
    left = int(sys.argv[2])
    block = bytes(1 << 20)
    while left:
        left -= connection.send(block[:left])
"""
_KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 7000), 1)
except OSError as error:
    print(type(error).__name__)
"""
_FITS = """
import select, socket, sys
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU, HEADERS = 10, 2, 14, 28
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    probe.connect((sys.argv[1], 7001))
    try:
        probe.send(bytes(1500 - HEADERS))
        select.select([probe], [], [], 5)  # the answer: too large
    except OSError:
        pass  # known from an earlier connection
    print(probe.getsockopt(socket.IPPROTO_IP, IP_MTU))
"""
_LARGE = 100_000_000


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    made = make_hosts()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def running(hosts: Hosts) -> Iterator[Hosts]:
    hosts.start()
    yield hosts
    hosts.stop()


@pytest.fixture
def joined(running: Hosts) -> Hosts:
    """All three know of each other."""
    running.tell(*running.all)
    until(lambda: all(_whole(host) for host in running.all), limit_s=60, what=f"ways: {_said(running)}")
    return running


def _whole(host: Host) -> bool:
    ours = host.ours()
    return sum("proto" not in line and line.startswith("10.83.") for line in ours) == 2


def _said(hosts: Hosts) -> list[str]:
    return [line for host in hosts.all for line in host.said]


def _cleanup(host: Host) -> str:
    code = f"from agent.network.traces import cleanup; print(*cleanup({CLUSTER!r}, {BRIDGE!r}), sep='\\n')"
    done = subprocess.run(
        [*host.prefix, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _transfer(sender: Space, receiver: Space, address: str, size: int = 10) -> str:
    """Who the receiver saw, and how much came."""
    serving = subprocess.Popen(
        [*receiver.prefix, sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert serving.stdout is not None
    try:
        assert serving.stdout.readline() == "up\n"
        sender(sys.executable, "-c", _SEND, address, str(size), limit_s=60)
        return serving.communicate(timeout=60)[0].strip()
    finally:
        serving.kill()
        serving.wait()
        serving.stdout.close()


def test_a_node_alone_loads_nothing_and_writes_nothing(hosts: Hosts) -> None:
    near = hosts.near
    before = near.state()
    near.said.clear()
    near.start_routes()
    near.tell([near.document()])
    near.stop_routes()
    until(lambda: any("stopped" in line for line in near.said), limit_s=60, what="its last word")
    assert "stopped pyroute2=False\n" in near.said
    assert near.state() == before


def test_pods_reach_each_other_with_their_own_addresses(joined: Hosts) -> None:
    for one in joined.all:
        for other in joined.all:
            if one is not other:
                assert _transfer(one.pod, other.pod, other.pod_address) == f"{one.pod_address} 10"


def test_a_plain_route_leads_over_the_segment_and_a_tunnel_through_the_router(joined: Hosts) -> None:
    routes = joined.near("ip", "-4", "route", "show", "proto", "84")
    assert f"{joined.beside.cidr} via {joined.beside.address} dev eth0" in routes
    assert f"{joined.far.cidr} via 10.83.3.0 dev {BRIDGE}-vx" in routes
    assert "mtu 1450" in joined.near("ip", "link", "show", f"{BRIDGE}-vx")
    assert "nolearning" in joined.near("ip", "-d", "link", "show", f"{BRIDGE}-vx")


def test_nodes_reach_pods_of_other_nodes(joined: Hosts) -> None:
    near, beside, far = joined.all
    assert _transfer(near, beside.pod, beside.pod_address) == f"{near.address} 10"
    assert _transfer(near, far.pod, far.pod_address) == "10.83.1.1 10", "through the tunnel the bridge speaks"
    assert _transfer(far, near.pod, near.pod_address) == "10.83.3.1 10"


def test_pods_reach_the_outside_masqueraded_as_before(joined: Hosts) -> None:
    assert _transfer(joined.near.pod, joined.far, joined.far.address) == f"{joined.near.address} 10"


def test_strangers_are_not_let_in(joined: Hosts) -> None:
    joined.router("ip", "route", "add", joined.near.cidr, "via", joined.near.address)
    try:
        assert "TimeoutError" in joined.router(sys.executable, "-c", _KNOCK, joined.near.pod_address)
    finally:
        joined.router("ip", "route", "del", joined.near.cidr)


def test_large_transfers_arrive_whole_through_the_tunnel(joined: Hosts) -> None:
    assert _transfer(joined.near.pod, joined.far.pod, joined.far.pod_address, _LARGE).endswith(f" {_LARGE}")
    # The largest packet that fits, and one byte more, which the pod's host refuses at once with what would fit.
    told = joined.near.pod(sys.executable, "-c", _FITS, joined.far.pod_address)
    assert told.split() == ["1450"]


def _break_route(host: Host) -> None:
    host("ip", "route", "flush", "proto", "84")


def _break_tunnel(host: Host) -> None:
    host("ip", "link", "del", f"{BRIDGE}-vx")


def _break_ends(host: Host) -> None:
    host("ip", "neigh", "flush", "dev", f"{BRIDGE}-vx", "nud", "permanent")
    for line in host("bridge", "fdb", "show", "dev", f"{BRIDGE}-vx").splitlines():
        mac, _, rest = line.partition(" ")
        if " dst " in f" {rest}":
            host("bridge", "fdb", "del", mac, "dev", f"{BRIDGE}-vx", "dst", rest.split()[rest.split().index("dst") + 1])


def _break_rules(host: Host) -> None:
    for table in ("filter", "nat"):
        parent = {"filter": "FORWARD", "nat": "POSTROUTING"}[table]
        jump = next(x for x in host("iptables", "-t", table, "-S", parent).splitlines() if "STEER-PODS" in x)
        host("iptables", "-t", table, "-D", *jump.split()[1:])
        host("iptables", "-t", table, "-F", f"STEER-PODS-{BRIDGE}")


def _break_reload(host: Host) -> None:
    """As `firewall-cmd --reload`: what the firewall knows of is written anew, whole."""
    others = [line for line in host("iptables-save").splitlines() if "STEER-PODS" not in line]
    host("sh", "-c", 'printf %s "$1" | iptables-restore', "-", "\n".join([*others, ""]))


def _break_link(host: Host) -> None:
    host("ip", "link", "set", "eth0", "down")
    host("ip", "link", "set", "eth0", "up")
    host("ip", "route", "add", "default", "via", f"{host.address.rpartition('.')[0]}.1")


@pytest.mark.parametrize("harm", [_break_route, _break_tunnel, _break_ends, _break_rules, _break_reload, _break_link])
def test_what_somebody_deletes_comes_back(joined: Hosts, harm: Callable[[Host], None]) -> None:
    near = joined.near
    before = sorted(near.ours())
    harm(near)

    def same() -> bool:
        # A device made anew has another index.
        return [x.partition(": ")[2] or x for x in sorted(near.ours())] == [x.partition(": ")[2] or x for x in before]

    until(same, limit_s=60, what=f"as before: {before}, is: {near.ours()}")
    assert _transfer(near.pod, joined.far.pod, joined.far.pod_address) == f"{near.pod_address} 10"
    assert _transfer(joined.beside.pod, near.pod, near.pod_address) == f"{joined.beside.pod_address} 10"


def test_a_removed_node_leaves_nothing_behind(joined: Hosts) -> None:
    near, beside, _far = joined.all
    strange = ("ip", "route", "add", "10.84.0.0/24", "via", beside.address, "proto", "84", "metric", "5")
    near(*strange)
    joined.tell(near, beside)
    until(lambda: not any("10.83.3" in line or "vx" in line for line in near.ours()), limit_s=60, what="far is gone")
    assert "10.83.2.0/24" in near("ip", "route")
    joined.tell(near)
    left = "10.84.0.0/24 via 198.18.84.12 dev eth0 metric 5"
    until(lambda: near.ours() == [left], limit_s=60, what=f"only the stranger's route: {near.ours()}")
    near("ip", "route", "del", "10.84.0.0/24")


def test_a_node_that_takes_what_is_not_its_own_is_refused(joined: Hosts) -> None:
    near, _beside, far = joined.all
    routes = near("ip", "-4", "route")
    wrong = []
    for number, cidr in enumerate(["10.83.1.0/25", "0.0.0.0/0", "10.83.2.128/25", "198.18.84.0/28", "none"]):
        document = far.document() | {"metadata": {"name": f"wrong-{number}"}, "spec": {"podCIDR": cidr}}
        document["metadata"]["creationTimestamp"] = "2030-01-01T00:00:00Z"
        wrong.append(document)
    near.tell([*(host.document() for host in joined.all), *wrong])
    until(
        lambda: all(any(f"node=wrong-{n}" in line for line in near.said) for n in range(4)),
        limit_s=60,
        what=f"complaints: {near.said}",
    )
    assert near("ip", "-4", "route") == routes


def test_ways_outlive_the_agent_and_are_adopted_by_the_next(joined: Hosts) -> None:
    near = joined.near
    before = near.ours()
    near.stop_routes(kill=True)
    assert near.ours() == before
    # Its first word after a while without: a node less.
    near.start_routes()
    near.tell([near.document(), joined.beside.document()])
    until(lambda: not any("10.83.3" in line for line in near.ours()), limit_s=60, what="the stale way is gone")
    near.tell([host.document() for host in joined.all])
    until(lambda: _whole(near), limit_s=60, what="whole again")


def test_cleanup_leaves_the_host_as_it_was(hosts: Hosts) -> None:
    hosts.stop()
    _cleanup(hosts.near)
    before = hosts.near.state()
    hosts.start()
    until(lambda: _whole(hosts.near), limit_s=60, what=f"ways: {_said(hosts)}")
    hosts.stop()
    assert hosts.near.state() != before
    said = _cleanup(hosts.near)
    for words in ("route 10.83.2.0/24 removed", f"interface {BRIDGE}-vx removed", f"STEER-PODS-{BRIDGE} (nat) removed"):
        assert words in said
    assert hosts.near.state() == before
    assert _cleanup(hosts.near).strip() == ""

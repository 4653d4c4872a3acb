"""One host in every group: master, node, the etcd that keeps the state, and Prometheus."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import STEER, load_images
from tests.cluster.in_namespace import entered
from tests.cluster.load import Load
from tests.cluster.machines import ROOT, Machine, booted, run, suite
from tests.cluster.playbooks import Site, make_bundle
from tests.cluster.traces import differences, seen
from tests.e2e.guestbook import TEST_IMAGE
from tests.e2e.waiting import until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(3600)]

ETCDCTL = (
    "ETCDCTL_API=3 etcdctl --endpoints https://{address}:2379 --cacert /etc/steersman/pki/etcd-ca.crt"
    " --cert /etc/steersman/pki/apiserver-etcd-client.crt --key /etc/steersman/pki/apiserver-etcd-client.key"
)

HAS_ETCD = suite() != "jammy"  # whose etcd is 3.3: the state is in SQLite there
WEB_PORT = 30080
RULES = "nft --stateless --handle list table ip steer-netproxy"
WEB = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web}}}}
spec:
  containers:
  - name: web
    image: {TEST_IMAGE}
    imagePullPolicy: Never
    # Who comes to the second port is greeted, and then told what he says.
    command: [sh, -c, "nc -ll -p 81 -e sh -c 'echo first; exec cat' &
      mkdir /www && echo here > /www/index.html && exec httpd -f -p 80 -h /www"]
    readinessProbe: {{httpGet: {{path: /, port: 80}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{name: http, port: 80, nodePort: {WEB_PORT}}}, {{name: talk, port: 81, nodePort: {WEB_PORT + 1}}}]
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Machine, dict[str, set[str]]]]:
    folder = tmp_path_factory.mktemp("alone")
    # A release other than this machine's has another Python than ours.
    brought = ["--with-python"] if suite() else []
    bundle = make_bundle(folder, *brought)
    with booted(folder, "a", ["all-in-one"]) as (machine,):
        before = seen(machine)
        load_images(machine, [TEST_IMAGE])  # which uninstall takes away again, for its name
        groups = {name: [machine.name] for name in ("master", "node", "monitoring", *(["etcd"] if HAS_ETCD else []))}
        yield Site(folder, bundle, [machine], groups), machine, before


def targets(machine: Machine) -> dict[str, str]:
    """Job to its health, as Prometheus has it."""
    done = machine.try_it("curl -sf http://127.0.0.1:9090/api/v1/targets")
    if done.returncode != 0:
        return {}
    active = json.loads(done.stdout)["data"]["activeTargets"]
    return {one["labels"]["job"]: one["health"] for one in active}


def test_everything_is_set_up_on_one_host(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, machine, _ = alone
    site.play("site.yml", "-e", "steersman_scrape_interval=2s")
    assert " Ready " in machine(f"{STEER} get nodes --no-headers")
    assert machine.try_it("systemctl is-system-running --wait").stdout.strip() == "running"


@pytest.mark.skipif(not HAS_ETCD, reason="the release has no etcd of 3.4 or newer")
def test_the_state_is_in_etcd_which_asks_for_a_certificate(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    _, machine, _ = alone
    keys = machine(ETCDCTL.format(address=machine.address) + " get /registry --prefix --keys-only")
    assert "all-in-one" in keys
    assert not machine("find /var/lib/steersman -name state.db").strip()
    assert machine.try_it(f"curl -skf https://{machine.address}:2379/v2/keys").returncode != 0


def test_prometheus_reads_every_part(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    _, machine, _ = alone
    wanted = {f"steersman-{name}": "up" for name in ("apiserver", "cadvisor", "dns", "netproxy")}
    until(lambda: targets(machine) == wanted, limit_s=60, what=f"all targets up, {targets(machine)}")


def test_a_second_run_changes_nothing(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, machine, _ = alone
    assert site.play("site.yml", "-e", "steersman_scrape_interval=2s").changed() == {machine.name: 0}


@contextlib.contextmanager
def talk(machine: Machine) -> Iterator[socket.socket]:
    """A connection through the node port to the pod, which has said its first line."""
    with entered(machine.segment.name):
        connection = socket.create_connection((machine.address, WEB_PORT + 1), timeout=60)
    with connection:
        assert connection.recv(100) == b"first\n"
        yield connection


def started(machine: Machine) -> str:
    """The netproxy's process; empty while there is none that is ready."""
    said = machine("systemctl show --value --property=SubState,MainPID steersman-netproxy").split()
    return "" if "running" not in said else next(one for one in said if one.isdigit())


@pytest.mark.parametrize("how", ["systemctl restart", "systemctl kill --signal=KILL"])
def test_a_proxy_that_starts_again_refuses_nobody(alone: tuple[Site, Machine, dict[str, set[str]]], how: str) -> None:
    """Its listening sockets are kept by the host's systemd; what it carried itself is cut, and told so at once."""
    _, machine, _ = alone
    machine(f"{STEER} apply -f - <<'END'\n{WEB}\nEND")
    url = f"http://{machine.address}:{WEB_PORT}/"
    until(lambda: machine.segment("curl", "-sf", "--noproxy", "*", url, check=False).strip() == "here", limit_s=60)
    askers = [Load(machine.segment.name, [machine.address], WEB_PORT, limit_s=60) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(2):
            before = started(machine)
            asked = [asker.asked for asker in askers]
            with talk(machine) as connection:
                machine(f"{how} steersman-netproxy")
                until(lambda before=before: started(machine) not in ("", before), limit_s=60, what="a new process")
                assert ended(connection)
            until(lambda asked=asked: all(a.asked > n + 20 for a, n in zip(askers, asked, strict=True)), limit_s=60)
    finally:
        for asker in askers:
            asker.stop()
    assert [asker.passed_over for asker in askers] == [0, 0, 0, 0]
    assert [asker.failed for asker in askers] == [[], [], [], []]


@pytest.mark.parametrize("how", ["systemctl restart", "systemctl kill --signal=KILL"])
def test_the_kernel_carries_on_while_a_proxy_in_mode_nftables_starts_again(
    alone: tuple[Site, Machine, dict[str, set[str]]], how: str
) -> None:
    """What is open goes on, what is new is let in, and each rule stays."""
    site, machine, _ = alone
    mode = '{"steersman_settings": {"netproxy": {"proxy-mode": "nftables"}}}'
    site.play("site.yml", "-e", "steersman_scrape_interval=2s", "-e", mode)
    url = f"http://{machine.address}:{WEB_PORT}/"
    until(lambda: machine.segment("curl", "-sf", "--noproxy", "*", url, check=False).strip() == "here", limit_s=60)
    rules = machine(RULES)
    assert str(WEB_PORT) in rules
    asker = Load(machine.segment.name, [machine.address], WEB_PORT, limit_s=60)
    with talk(machine) as connection:
        asker.start()
        try:
            for word in (b"one\n", b"two\n"):
                before, asked = started(machine), asker.asked
                machine(f"{how} steersman-netproxy")
                until(lambda before=before: started(machine) not in ("", before), limit_s=60, what="a new process")
                connection.sendall(word)
                assert connection.recv(100) == word
                until(lambda asked=asked: asker.asked > asked + 20, limit_s=60)
                assert machine(RULES) == rules
        finally:
            asker.stop()
    assert (asker.passed_over, asker.failed, asker.cut) == (0, [], [])


def ended(connection: socket.socket) -> bool:
    """The other side has gone, and said so."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_backup_of_the_state_is_taken(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, _, _ = alone
    site.play("backup.yml")
    (snapshot,) = (site.folder / "backups").glob("*.state.snapshot")
    inspected = run(ROOT / ".venv/bin/steersman", "snapshot", "inspect", snapshot)
    assert ("etcd" if HAS_ETCD else "sqlite") in inspected


def test_uninstall_leaves_nothing_but_the_packages(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, machine, before = alone
    site.play("uninstall.yml", "-e", "steersman_uninstall_confirmed=true")
    left = differences(before, seen(machine))
    assert not left, "\n".join(left)

"""The whole proxy on a node of its own: an API server to listen to, rules, sockets, health."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from api.core import Service
from api.core.service import ServicePort, ServiceSpec
from api.meta import ObjectMeta
from netproxy import main, worker
from netproxy.endpoints import Here
from netproxy.files import FileError, read_objects
from netproxy.portals.sets import AddressSet
from netproxy.reserved import SYSCTL
from netproxy.state import read_state
from tests.e2e.waiting import until
from tests.netproxy.api_server import ApiServer
from tests.netproxy.clusters import CIDR, CLUSTER_IP, NODE_PORT, Cluster, connected, echo, program, started
from tests.netproxy.networks import NODE_IP, POD_IP, site
from tests.netproxy.servers import LIMIT_S, Server, naming

pytestmark = pytest.mark.netns


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with site() as place:
        cluster = Cluster(place, tmp_path)
        yield cluster
        cluster.close()


@pytest.fixture
def running(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with netproxy on its node."""
    with started(cluster):
        yield cluster


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


def test_slices_are_followed_and_what_ends_is_drained(running: Cluster) -> None:
    running.slices = True
    running.place.pod.run("ip", "addr", "add", "10.244.9.3/24", "dev", "eth0")
    with running.place.pod.inside():
        old = Server(echo, POD_IP)
        new = Server(naming(b"new"), "10.244.9.3", old.endpoint[1])
    running.servers += [old, new]
    running.service(old)
    until(running.config.state_file.exists)
    with running.place.pod.inside(), connected(CLUSTER_IP, 80) as sock:
        sock.sendall(b"before")
        assert sock.recv(100) == b"before"
        running.api.put(running.slice_of(new, ending=(old,)))
        running.until(b"new")
        sock.sendall(b"after")
        assert sock.recv(100) == b"after"


def test_a_server_without_slices_is_followed_by_endpoints(cluster: Cluster) -> None:
    cluster.api.serves_slices = False
    with started(cluster):
        cluster.service(cluster.pod(b"a"))
        cluster.until(b"a")


def test_the_policy_local_answers_health_checks_and_refuses_without_local_endpoints(running: Cluster) -> None:
    running.slices = True
    pod = running.pod(b"a")
    spec = ServiceSpec(
        type="LoadBalancer",
        external_traffic_policy="Local",
        health_check_node_port=32000,
        cluster_ip=CLUSTER_IP,
        ports=[ServicePort(name="http", port=80, node_port=NODE_PORT)],
    )
    running.api.put(Service(metadata=ObjectMeta(name="web", namespace="default"), spec=spec))
    running.api.put(running.slice_of(pod))
    running.until(b"a")
    until(lambda: running.ask(running.place.client, NODE_IP, NODE_PORT) == b"a")
    until(lambda: running.check_health(32000) == (200, 1))
    elsewhere = running.slice_of(pod)
    elsewhere.endpoints[0].node_name = "node-2"
    running.api.put(elsewhere)
    until(lambda: running.check_health(32000) == (503, 0))
    assert running.ask(running.place.client, NODE_IP, NODE_PORT) == b""
    assert running.ask(running.place.node, NODE_IP, NODE_PORT) == b"a"
    assert running.ask(running.place.pod) == b"a"


def test_proxy_ports_are_reached_by_redirect_only(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    running.until(b"a")
    ((_service, number),) = read_state(running.config.state_file).services
    assert running.ask(running.place.client, NODE_IP, number) == b""
    assert running.ask(running.place.node, "127.0.0.1", number) == b"a"


def test_node_ports_are_reserved_and_given_back(cluster: Cluster) -> None:
    def reserved() -> str:
        with cluster.place.node.inside():
            return SYSCTL.read_text().strip()

    with cluster.place.node.inside():
        SYSCTL.write_text("8080,30100-30101\n")
    with started(cluster):
        until(lambda: reserved() == "8080,30000-32767")
        with cluster.place.node.inside():
            SYSCTL.write_text("8080,30100-30101\n")
        until(lambda: reserved() == "8080,30000-32767")
    with cluster.place.node.inside():
        assert "reserved ports" in main.cleanup(cluster.config)
    assert reserved() == "8080,30100-30101"


FILE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  ports: [{name: http, port: 80, nodePort: 30080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.244.9.2]}]
ports: [{name: http, port: PORT}]
"""


def test_a_file_of_services_is_served_without_a_master_and_read_again_when_it_changes(cluster: Cluster) -> None:
    cluster.api.close()
    path = cluster.folder / "services.yaml"
    first, second = cluster.pod(b"first"), cluster.pod(b"second")

    def answer() -> bytes:
        return cluster.ask(cluster.place.client, NODE_IP, NODE_PORT)

    try:
        path.write_text(FILE.replace("PORT", str(first.endpoint[1])))
        with started(cluster, replace(cluster.config, services=path, kubeconfig=Path("/nowhere"))):
            until(lambda: answer() == b"first")
            path.write_text("kind: Service\nmetadata: [")
            path.with_suffix(".new").write_text(FILE.replace("PORT", str(second.endpoint[1])))
            path.with_suffix(".new").replace(path)
            until(lambda: answer() == b"second")
    finally:
        with cluster.place.node.inside():
            cluster.api = ApiServer(cluster.api.port)


def test_a_file_that_cannot_be_used_is_an_error_at_the_start(tmp_path: Path) -> None:
    here = Here(node="n")
    for text, told in (
        ("kind: Pod", "kind 'Pod' is none of"),
        ("- 1", "kind None is none of"),
        ("kind: Service\nmetadata: {name: 5}", "Expected `str`"),
        ("kind: Service", "no metadata.name"),
        ("{", "while parsing"),
    ):
        (tmp_path / "file").write_text(text)
        with pytest.raises(FileError, match=told):
            read_objects(tmp_path / "file", here)
    with pytest.raises(FileError, match="No such file"):
        read_objects(tmp_path / "nothing", here)


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


LOSSES = {
    "rules": ("iptables", "-t", "nat", "-F"),
    "jumps": ("iptables", "-t", "nat", "-F", "PREROUTING"),
    "route": ("ip", "-4", "route", "del", CIDR),
    "everything": ("nft", "flush", "ruleset"),
}


@pytest.mark.parametrize("lost", LOSSES)
def test_what_someone_removed_comes_back_when_the_kernel_tells_of_it(cluster: Cluster, lost: str) -> None:
    if "nf_tables" not in cluster.place.node.run("iptables", "--version"):
        pytest.skip("the kernel tells nothing of legacy rules")
    kept = ("iptables", "-t", "nat", "-S") if lost != "route" else ("ip", "-4", "route", "show", CIDR)
    with started(cluster, replace(cluster.config, rule_check_s=10 * LIMIT_S)):
        cluster.service(cluster.pod(b"a"))
        cluster.until(b"a")
        before = cluster.place.node.run(*kept)
        cluster.place.node.run(*LOSSES[lost])
        until(lambda: cluster.place.node.run(*kept) == before)


def test_a_set_that_someone_emptied_comes_back_though_the_kernel_tells_nothing_of_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TOLD_LOOKS", 1_000_000)
    with cluster.place.node.inside():
        found = AddressSet(f"{cluster.config.chain_prefix}-CLUSTER")
        if not found.usable():
            pytest.skip("this kernel has no sets of addresses")
        with started(cluster, cluster.config):
            cluster.service(cluster.pod(b"a"), node_port=0)
            until(lambda: found.members() != set())
            before = found.members()
            for _ in range(3):  # once may be put right by a look at everything that our own changes called for
                found.change(add=(), remove=before)
                until(lambda: found.members() == before)


def test_a_taken_node_port_is_told_and_held_when_it_is_free(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TROUBLE_RETRY_S", 0.2)
    with running.place.node.inside():
        other = Server(naming(b"other"), "0.0.0.0", NODE_PORT)
    try:
        running.service(running.pod(b"a"))
        until(lambda: bool(running.api.events))
        running.until(b"a")
        assert running.ask(running.place.client, NODE_IP, NODE_PORT) == b"other"
    finally:
        other.close()
    (event, *_) = running.api.events
    assert (event["reason"], event["type"], event["involvedObject"]["name"]) == ("NodePortTaken", "Warning", "web")
    assert event["message"] == "node port 30080 cannot be held on node-1: Address already in use; trying again"
    until(lambda: running.ask(running.place.client, NODE_IP, NODE_PORT) == b"a")
    assert len(running.api.events) == 1


def test_a_service_of_a_family_that_is_not_served_is_told_once(running: Cluster) -> None:
    meta = ObjectMeta(name="six", namespace="default")
    spec = ServiceSpec(cluster_ip="fd00::9", cluster_ips=["fd00::9"], ports=[ServicePort(name="http", port=80)])
    running.api.put(Service(metadata=meta, spec=spec))
    until(lambda: bool(running.api.events))
    running.service(running.pod(b"a"))
    running.until(b"a")
    (event,) = running.api.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("KubeProxyIncorrectIPVersion", "six")
    assert event["message"] == "fd00::9 in clusterIPs has incorrect IP version"


def test_a_header_that_the_kernel_cannot_write_is_told(cluster: Cluster) -> None:
    with started(cluster, replace(cluster.config, proxy_mode="nftables")):
        meta = ObjectMeta(
            name="web", namespace="default", annotations={"service.steersman.io/proxy-protocol": "v2"}, uid="1"
        )
        spec = ServiceSpec(cluster_ip=CLUSTER_IP, ports=[ServicePort(name="http", port=80)])
        cluster.api.put(Service(metadata=meta, spec=spec))
        until(lambda: bool(cluster.api.events))
    (event,) = cluster.api.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("ProxyProtocolNotServed", "web")
    assert event["message"] == "node node-1 tells endpoints nothing of their clients: proxy mode nftables"
    with cluster.place.node.inside():
        main.cleanup(cluster.config)


def test_the_node_port_is_really_held(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    until(lambda: running.ask(running.place.client, NODE_IP, NODE_PORT) == b"a")
    with running.place.node.inside(), pytest.raises(OSError, match="in use"):
        Server(naming(b"thief"), "0.0.0.0", NODE_PORT)


def test_health_and_metrics(running: Cluster) -> None:
    running.service(running.pod(b"a"))
    running.until(b"a")
    until(lambda: running.fetch("/healthz")[0] == 200)
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
    assert f"netproxy_sent_bytes_total{{{labels}}} 1.0" in metrics
    assert f"netproxy_received_bytes_total{{{labels}}} 0.0" in metrics
    assert "process_resident_memory_bytes" in metrics


def test_the_metrics_tell_how_long_a_change_took_and_that_none_waits(running: Cluster) -> None:
    running.slices = True
    pod = running.pod(b"a")
    running.service(pod)
    running.until(b"a")
    slice_ = running.slice_of(pod)
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    slice_.metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"] = now
    running.api.put(slice_)
    name = "kubeproxy_network_programming_duration_seconds"
    until(lambda: f"{name}_count 1.0" in running.fetch("/metrics")[1])
    metrics = running.fetch("/metrics")[1]
    assert f'{name}_bucket{{le="10.0"}} 1.0' in metrics
    assert "kubeproxy_sync_proxy_rules_endpoint_changes_total 2.0" in metrics
    assert "kubeproxy_sync_proxy_rules_service_changes_total 1.0" in metrics
    assert "kubeproxy_sync_proxy_rules_endpoint_changes_pending 0.0" in metrics
    assert "kubeproxy_sync_proxy_rules_service_changes_pending 0.0" in metrics
    assert "kubeproxy_sync_proxy_rules_iptables_restore_failures_total 0.0" in metrics
    queued = re.search(r"^kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds (.*)$", metrics, re.MULTILINE)
    assert queued is not None
    assert abs(float(queued[1]) - time.time()) < 60


def test_health_is_bad_while_rules_cannot_be_written(cluster: Cluster) -> None:
    """Before the first good pass nothing is served, and that is said."""
    cluster.api.close()
    stop = Event()
    with cluster.place.node.inside():
        thread = Thread(target=main.run, args=(cluster.config, stop), name="test-netproxy")
        thread.start()
    try:
        until(lambda: _answers(cluster))
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


def test_killed_and_started_again_it_serves_on_the_same_rules(cluster: Cluster) -> None:
    cluster.service(cluster.pod(b"a"))
    with program(cluster) as kill:
        cluster.until(b"a")
        kill()
    rules = cluster.place.node.run("iptables", "-t", "nat", "-S")
    assert cluster.ask(cluster.place.client) == b""
    with program(cluster):
        cluster.until(b"a")
        assert cluster.place.node.run("iptables", "-t", "nat", "-S") == rules


def test_it_starts_without_a_master_from_what_was_known(cluster: Cluster) -> None:
    cluster.service(cluster.pod(b"a"))
    with program(cluster) as kill:
        cluster.until(b"a")
        kill()
    cluster.api.close()
    try:
        with program(cluster):
            cluster.until(b"a")
    finally:
        with cluster.place.node.inside():
            cluster.api = ApiServer(cluster.api.port)


def test_cleanup_removes_rules_route_and_state(cluster: Cluster) -> None:
    cluster.service(cluster.pod(b"a"))
    with program(cluster):
        cluster.until(b"a")
    with cluster.place.node.inside():
        assert f"file {cluster.config.state_file}" in main.cleanup(cluster.config)
        assert main.cleanup(cluster.config) == []
    assert "STT" not in cluster.place.node.run("iptables-save")
    assert CIDR not in cluster.place.node.run("ip", "route")

"""A real cluster under Debian's prometheus (targets written out) and victoria-metrics (which discovers)."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from deploy.prometheus import adapt, dashboards
from tests.e2e.clusters import Cluster
from tests.e2e.doors import Kubectl
from tests.e2e.pods import pod, service, shell
from tests.e2e.waiting import until
from tests.monitoring.scrapers import Scraper, prometheus, victoria_metrics

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]
DIRECTORY = Path(adapt.__file__).parent
FOR = "4s"
INTERVAL = "2s"
JOBS = {
    ("apiserver", ""),
    ("kubelet", "/metrics"),
    ("kubelet", "/metrics/probes"),
    ("cadvisor", ""),
    ("kube-proxy", ""),
    ("coredns", ""),
    ("kube-controller-manager", ""),
    ("kube-scheduler", ""),
}
WHERE = {"$__rate_interval": "20s", "$node": ".*", "$namespace": ".*", "$pod": ".*"}


@pytest.fixture(scope="module")
def place(cluster: Cluster, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the credentials of the account that rbac.yaml makes, and a limited pod that is at work."""
    limits = {"limits": {"cpu": "100m", "memory": "64Mi"}}
    kubectl.create(pod("busy", *shell("while :; do :; done"), resources=limits))
    kubectl("create", "-f", str(DIRECTORY / "rbac.yaml"))
    token = until(
        lambda: kubectl("-n", "monitoring", "get", "secret", "prometheus", "-o", "jsonpath={.data.token}"),
        what="the token of the scraper",
    )
    directory = tmp_path_factory.mktemp("scrapers")
    (directory / "token").write_bytes(base64.b64decode(token))
    (directory / "ca.crt").write_bytes((cluster.root / "etc/steersman/pki/ca.crt").read_bytes())
    (directory / "nodes.json").write_text(kubectl("get", "nodes", "-o", "json"))
    until(lambda: "Running" in kubectl("get", "pod", "busy"), what="the pod to run")
    return directory


def adapted(cluster: Cluster, place: Path, into: Path, *more: str) -> Path:
    """What `adapt.py` writes for this cluster."""
    first = cluster.slot.first_port
    command = [sys.executable, DIRECTORY / "adapt.py", f"--into={into}", f"--interval={INTERVAL}", f"--for={FOR}"]
    command += [f"--api-server=https://127.0.0.1:{first}", f"--ca-file={place / 'ca.crt'}"]
    command += [f"--credentials-file={place / 'token'}", f"--cadvisor-port={cluster.cadvisor_port}"]
    command += [f"--proxy-port={cluster.netproxy_port}", f"--dns-port={first + 6}", f"--controllers-port={first + 4}"]
    subprocess.run([*command, f"--scheduler-port={first + 5}", *more], check=True, timeout=60)
    return into


@pytest.fixture(scope="module")
def written_out(cluster: Cluster, place: Path) -> Iterator[Scraper]:
    directory = adapted(cluster, place, place / "prometheus", f"--nodes={place / 'nodes.json'}")
    scraper = prometheus(directory)
    yield scraper
    scraper.stop()


@pytest.fixture(scope="module")
def discovered(cluster: Cluster, place: Path) -> Iterator[Scraper]:
    scraper = victoria_metrics(adapted(cluster, place, place / "victoria"))
    yield scraper
    scraper.stop()


def all_up(scraper: Scraper) -> bool:
    found = scraper.targets()
    return found.keys() == JOBS and set(found.values()) == {"up"}


def test_every_target_is_up_written_out_and_discovered(written_out: Scraper, discovered: Scraper) -> None:
    for scraper in (written_out, discovered):
        until(lambda scraper=scraper: all_up(scraper), limit_s=60, what=f"targets: {scraper.targets()}")
    for scraper in (written_out, discovered):
        (agent,) = scraper.series('up{job="kubelet",metrics_path="/metrics"}')
        assert agent["metric"]["node"].startswith("node-")


def test_every_query_of_a_panel_or_an_alert_finds_series(
    kubectl: Kubectl, written_out: Scraper, discovered: Scraper, look_up: Callable[[], object]
) -> None:
    for scraper in (written_out, discovered):
        until(lambda scraper=scraper: scraper.series("scheduler_pod_scheduling_sli_duration_seconds_count"), limit_s=60)
    kubectl.create(pod("late"))  # something must happen while they look on
    kubectl.create(service("deserted", 80), service("late", 80))
    refused = kubectl.try_it("get", "--raw", "/api/v1/namespaces/default/services/deserted:80/proxy/")
    assert "no endpoints available" in refused.stderr  # a 503, which an alert counts
    expressions = [query.expression for one in dashboards.ALL for panel in one.panels for query in panel.queries]
    rules = yaml.safe_load((DIRECTORY / "rules/alerts.yml").read_text(encoding="utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        expressions += adapt.selectors(rule["expr"])
    asked = [_filled(one) for one in dict.fromkeys(expressions)]
    for scraper in (written_out, discovered):
        found: set[str] = set()

        def all_found(scraper: Scraper = scraper, found: set[str] = found) -> bool:
            look_up()
            found.update(one for one in asked if one not in found and scraper.series(one))
            return len(found) == len(asked)

        try:
            until(all_found, limit_s=60)
        except AssertionError as error:
            raise AssertionError(f"no series of {[one for one in asked if one not in found]}") from error


def _filled(expression: str) -> str:
    """With the variables of the dashboards given."""
    for name, value in WHERE.items():
        expression = expression.replace(name, value)
    return expression


def test_an_alert_fires_while_a_node_is_dead_and_clears_when_it_is_back(cluster: Cluster, written_out: Scraper) -> None:
    """All of the node is frozen: its ports take connections and never answer, as a host does that hangs."""
    until(lambda: all_up(written_out), limit_s=60)
    assert written_out.firing("NodeAgentDown") == []
    frozen = [cluster.pids()[name] for name in ("agent", "cadvisor", "netproxy", "dns")]
    try:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        (alert,) = until(lambda: written_out.firing("NodeAgentDown"), limit_s=90, what="the alert")
        assert alert["severity"] == "critical"
        assert alert["node"] == f"node-{cluster.slot.number}"
        until(lambda: written_out.firing("NodeMonitorDown") and written_out.firing("NodeProxyDown"), limit_s=60)
        until(lambda: written_out.firing("NodeNamesDown"), limit_s=60)
        assert written_out.firing("ApiserverDown") == []
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    until(lambda: not written_out.firing("NodeAgentDown"), limit_s=90, what="the alert to clear")
    until(lambda: all_up(written_out), limit_s=60)

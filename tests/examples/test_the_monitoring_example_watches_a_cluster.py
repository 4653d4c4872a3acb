"""examples/monitoring beside a running cluster: what it prints can be looked at, and nothing of it is left after."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clusters import ROOT, Cluster, clean_environment, free_slot
from tests.e2e.waiting import until
from tests.monitoring.scrapers import free_port

pytestmark = [pytest.mark.long, pytest.mark.cluster]
EXAMPLE = ROOT / "examples/monitoring"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(free_slot(os.getpid()), tmp_path)
    try:
        made.up()
        yield made
    finally:
        made.remove()


def test_it_comes_up_says_where_to_look_tells_of_a_dead_agent_and_goes(cluster: Cluster, tmp_path: Path) -> None:
    directory, port, first = tmp_path / "monitoring", free_port(), cluster.slot.first_port
    flags = f"--cadvisor-port {cluster.cadvisor_port} --proxy-port {cluster.netproxy_port} "
    flags += f"--dns-port {cluster.slot.first_port + 6} --for 4s --interval 2s"
    environment = clean_environment(
        KUBECONFIG=str(cluster.kubeconfig),
        MONITORING_DIR=str(directory),
        PROMETHEUS_PORT=str(port),
        ADAPT=f"{flags} --controllers-port {first + 4} --scheduler-port {first + 5}",
    )

    def run(script: str, *arguments: str) -> str:
        done = subprocess.run(
            [EXAMPLE / script, *arguments], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def firing() -> set[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=10) as answer:
            alerts = json.load(answer)["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def page() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/consoles/cluster.html", timeout=10) as answer:
            return str(answer.read().decode())

    def unhealthy() -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=10) as answer:
            targets = json.load(answer)["data"]["activeTargets"]
        return [one["scrapePool"] for one in targets if one["health"] != "up"]

    try:
        said = run("up")
        for url in re.findall(r"http://\S+", said):
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.status == 200, url
        assert str(cluster.cadvisor_port) in said
        assert (directory / "token").stat().st_mode & 0o077 == 0
        until(lambda: not unhealthy(), limit_s=60, what="all targets up")
        until(lambda: f"node-{cluster.slot.number}" in page() and "Alerts" in page(), limit_s=30, what="the page")
        agent = cluster.pids()["agent"]
        os.kill(agent, signal.SIGSTOP)
        try:
            until(lambda: "NodeAgentDown" in firing(), limit_s=90, what="the alert")
            until(
                lambda: "NodeAgentDown" in page() and "does not answer" in page(), limit_s=30, what="the page to tell"
            )
        finally:
            os.kill(agent, signal.SIGCONT)
        until(lambda: "NodeAgentDown" not in firing(), limit_s=90, what="the alert to clear")
        first = (directory / "prometheus.pid").read_text()
        assert "Prometheus watches the cluster" in run("up")
        assert (directory / "prometheus.pid").read_text() != first
    finally:
        run("down", "--purge")
    assert not directory.exists()

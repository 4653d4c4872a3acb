"""The health port of the controllers: closed unless asked for, then read only, with Kubernetes' names."""

import socket
import urllib.request

from client import Client
from tests.controllers.conftest import Start
from tests.controllers.made import controller
from tests.e2e.waiting import until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            said: str = answer.read().decode()
            return said
    except OSError:
        return ""


def test_health_and_work_queues_are_told_while_it_leads(admin: Client, namespace: str, controllers: Start) -> None:
    port = free_port()
    stop = controllers(healthz_port=port, leader_elect=True)
    lead = 'leader_election_master_status{name="kube-controller-manager"} 1.0'
    until(lambda: lead in ask(port, "/metrics"))
    admin.create(controller(namespace=namespace, replicas=1))
    until(lambda: 'workqueue_adds_total{name="replication"}' in ask(port, "/metrics"))
    metrics = ask(port, "/metrics")
    assert 'workqueue_depth{name="replication"}' in metrics
    assert 'workqueue_work_duration_seconds_bucket{le="1.0",name="replication"}' in metrics
    assert ask(port, "/healthz") == "ok"
    stop.set()
    until(lambda: not ask(port, "/healthz"))

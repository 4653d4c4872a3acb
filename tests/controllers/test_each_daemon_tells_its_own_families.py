"""Controllers and scheduler share code, and often a parent process; what one counts is not told by the other."""

import re
import socket
import urllib.request

import pytest

from client.meters import Meters
from master.health import HealthSettings, health_port
from master.metrics import QueueMetrics
from master.scheduler import metrics as scheduler


def families(*meters: Meters) -> set[str]:
    """The names told by a port that is given these meters."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        health_port(HealthSettings(healthz_port=port), list, *meters),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer,
    ):
        return set(re.findall(r"^# TYPE (\S+)", answer.read().decode(), re.MULTILINE))


@pytest.fixture(autouse=True)
def _counted() -> None:
    """Both have something to tell, in this one process."""
    QueueMetrics("of-a-test").added(1)
    scheduler.METERS.counter("scheduler_of_a_test", "Only here.", ("of",)).labels("test").inc()


def test_controllers_tell_work_queues_and_nothing_of_the_scheduler() -> None:
    told = families()
    assert {"workqueue_depth", "process_cpu_seconds_total"} <= told
    assert not [name for name in told if name.startswith(("scheduler_", "apiserver_", "kubelet_", "kubeproxy_"))]


def test_the_scheduler_tells_its_own_and_no_part_of_the_others() -> None:
    told = families(scheduler.METERS)
    assert "scheduler_of_a_test_total" in told
    assert not [name for name in told if name.startswith(("apiserver_", "kubelet_", "kubeproxy_"))]

"""Probes against real containers."""

import pytest

from agent.probes.prober import PROBE_SECONDS
from api.core import Event, Pod
from tests.agent.cluster import Cluster, ready, restarts
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker

_SERVER = "mkdir -p /tmp/www && touch /tmp/www/ok && exec httpd -f -p 8080 -h /tmp/www"


def _running(pod: Pod) -> bool:
    states = [status.state for status in pod.status.container_statuses]
    return bool(states) and all(state is not None and state.running for state in states)


def test_a_failing_liveness_probe_restarts_the_container(shared: Cluster) -> None:
    shared.start_agent()
    probe = {"exec": {"command": ["test", "-e", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 2}
    container = shared.container("main", "touch /tmp/alive; sleep 1; rm /tmp/alive; sleep 1000", livenessProbe=probe)
    shared.create("web", containers=[container], terminationGracePeriodSeconds=1)
    shared.wait_pod("web", lambda pod: restarts(pod) >= 1)
    until(lambda: "Container main failed liveness probe, will be restarted" in shared.events("Killing"))
    assert any(message.startswith("Liveness probe failed:") for message in shared.events("Unhealthy"))
    told = next(
        one
        for one in shared.api.items(Event)
        if one.metadata.namespace == shared.namespace and one.reason == "Unhealthy"
    )
    assert 0 < float(told.metadata.annotations[PROBE_SECONDS]) < 60


def test_a_readiness_probe_holds_a_pod_back_and_lets_it_go(shared: Cluster) -> None:
    shared.start_agent()
    probe = {"httpGet": {"path": "/ok", "port": "web"}, "periodSeconds": 1}
    container = shared.container("main", _SERVER, readinessProbe=probe, ports=[{"name": "web", "containerPort": 8080}])
    shared.create("web", containers=[container])
    pod = shared.wait_pod("web", ready)
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    shared.docker.exec_start(shared.docker.exec_create(identity, ["rm", "/tmp/www/ok"])["Id"])
    pod = shared.wait_pod("web", lambda pod: not ready(pod))
    assert _running(pod)
    condition = next(c for c in pod.status.conditions if c.type == "Ready")
    assert (condition.reason, condition.message) == ("ContainersNotReady", "containers with unready status: [main]")
    until(lambda: "Readiness probe failed: HTTP probe failed with statuscode: 404" in shared.events("Unhealthy"))
    shared.docker.exec_start(shared.docker.exec_create(identity, ["touch", "/tmp/www/ok"])["Id"])
    assert restarts(shared.wait_pod("web", ready)) == 0


def test_a_startup_probe_holds_the_others_back(shared: Cluster) -> None:
    shared.start_agent()
    startup = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30}
    liveness = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    command = f"sleep 2; {_SERVER}"
    container = shared.container("main", command, startupProbe=startup, livenessProbe=liveness)
    shared.create("slow", containers=[container])
    pod = shared.wait_pod("slow", _running)
    assert pod.status.container_statuses[0].started is False
    assert not ready(pod)
    pod = shared.wait_pod("slow", ready)
    assert pod.status.container_statuses[0].started is True
    assert restarts(pod) == 0


def test_an_exec_probe_that_hangs_is_ended_and_delays_no_other(cluster: Cluster) -> None:
    cluster.start_agent(probe_workers=2)
    hung = {"exec": {"command": ["sleep", "600"]}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 100}
    quick = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    cluster.create("hung", containers=[cluster.container("main", "exec sleep 1000", readinessProbe=hung)])
    cluster.create("quick", containers=[cluster.container("main", "exec sleep 1000", readinessProbe=quick)])
    cluster.wait_pod("quick", ready, timeout_s=8)
    told = 'Readiness probe failed: command timed out: "sleep 600" timed out after 1s'
    until(lambda: told in cluster.events("Unhealthy"))

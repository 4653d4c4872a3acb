"""With a real Docker daemon: containers come and go, their figures are the kernel's, a lost stream is found again."""

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from docker.api import APIClient
from prometheus_client.parser import text_string_to_metric_families

from cadvisor_lite.main import CadvisorLite
from cadvisor_lite.readers import find_cgroup, read_container
from tests.cadvisor_lite.docker_proxy import DockerProxy
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker
Start = Callable[..., CadvisorLite]
Run = Callable[..., str]


def series(cadvisor: CadvisorLite, name: str) -> dict[str, tuple[dict[str, str], float]]:
    """The samples of one metric by container id."""
    text = requests.get(f"http://127.0.0.1:{cadvisor.port}/metrics", timeout=5).text
    return {
        sample.labels["id"].rsplit("/", 1)[-1]: (sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def pod_labels(container: str, kind: str, pod: str) -> dict[str, str]:
    return {
        "io.kubernetes.pod.name": pod,
        "io.kubernetes.pod.namespace": "testing",
        "io.kubernetes.container.name": container,
        "io.kubernetes.docker.type": kind,
    }


def test_a_container_that_burns_cpu_appears_rises_and_disappears(
    start_cadvisor: Start, run_container: Run, docker_client: APIClient, image: str
) -> None:
    cadvisor = start_cadvisor()
    until(cadvisor.watch.connected.is_set, what="the daemon to be followed")
    container_id = run_container(
        "sh", "-c", "while :; do :; done", labels=pod_labels("burner", "container", "burn-1"), mem_limit="64m"
    )
    usage = "container_cpu_usage_seconds_total"
    until(lambda: container_id in series(cadvisor, usage), what="the container to appear")
    labels, first = series(cadvisor, usage)[container_id]
    assert labels["cpu"] == "total"
    assert (labels["namespace"], labels["pod"], labels["container"]) == ("testing", "burn-1", "burner")
    assert labels["image"] == image
    assert labels["name"].startswith("cadvisor-lite-test-")
    until(lambda: series(cadvisor, usage)[container_id][1] > first + 0.2, what="its usage to rise")
    assert series(cadvisor, "container_spec_memory_limit_bytes")[container_id][1] == 64 * 2**20

    docker_client.remove_container(container_id, force=True)
    until(lambda: container_id not in series(cadvisor, usage), what="the container to disappear")
    assert container_id not in cadvisor.monitor.ids()


def test_the_library_reads_what_the_kernel_says(run_container: Run, docker_client: APIClient) -> None:
    container_id = run_container("sleep", "600", cpu_quota=25000, cpu_period=50000)
    pid = docker_client.inspect_container(container_id)["State"]["Pid"]
    cgroup = find_cgroup(pid)
    assert container_id in cgroup.name
    sample = read_container(cgroup, pid)
    assert (sample.limits.cpu_quota_us, sample.limits.cpu_period_us) == (25000, 50000)
    assert sample.process_count == 1
    assert sample.memory is not None
    assert 0 < sample.memory.working_set_bytes <= sample.memory.usage_bytes
    assert [interface.name for interface in sample.network] == ["eth0"]


def test_the_network_of_a_pod_is_counted_once_on_its_sandbox(start_cadvisor: Start, run_container: Run) -> None:
    cadvisor = start_cadvisor()
    pod = f"pod-{uuid.uuid4().hex[:8]}"
    sandbox = run_container("sleep", "600", labels=pod_labels("POD", "podsandbox", pod))
    app = run_container("sleep", "600", labels=pod_labels("app", "container", pod), network_mode=f"container:{sandbox}")
    on_host = run_container("sleep", "600", network_mode="host")
    memory, network = "container_memory_working_set_bytes", "container_network_receive_bytes_total"
    until(lambda: {sandbox, app, on_host} <= series(cadvisor, memory).keys(), what="all to appear")
    with_network = series(cadvisor, network)
    assert sandbox in with_network
    assert with_network[sandbox][0]["container"] == "POD"
    assert with_network[sandbox][0]["interface"] == "eth0"
    assert app not in with_network
    assert on_host not in with_network


def test_a_container_that_runs_already_is_listed_and_a_restart_is_followed(
    start_cadvisor: Start, run_container: Run, docker_client: APIClient
) -> None:
    container_id = run_container("sleep", "600")
    cadvisor = start_cadvisor()
    started = "container_start_time_seconds"
    until(lambda: container_id in series(cadvisor, started), what="the container to be listed")
    first = series(cadvisor, started)[container_id][1]
    docker_client.restart(container_id, timeout=0)
    until(lambda: series(cadvisor, started).get(container_id, ({}, first))[1] > first, what="the new start time")


def test_a_lost_event_stream_is_found_again_and_what_was_missed_is_made_up(
    start_cadvisor: Start,
    run_container: Run,
    docker_client: APIClient,
    proxy: DockerProxy,
    tmp_path: Path,
) -> None:
    proxy.open()
    cadvisor = start_cadvisor(docker_host=f"unix://{tmp_path / 'docker.sock'}")
    stays, leaves = run_container("sleep", "600"), run_container("sleep", "600")
    memory = "container_memory_usage_bytes"
    until(lambda: {stays, leaves} <= series(cadvisor, memory).keys(), what="both to appear")

    proxy.cut()
    until(lambda: not cadvisor.watch.connected.is_set(), what="the loss to be seen")
    assert stays in series(cadvisor, memory)
    assert requests.get(f"http://127.0.0.1:{cadvisor.port}/healthz", timeout=5).text == "ok, docker daemon away\n"
    docker_client.remove_container(leaves, force=True)
    comes = run_container("sleep", "600")
    assert leaves not in series(cadvisor, memory)  # its cgroup is gone, whatever Docker cannot tell
    assert comes not in series(cadvisor, memory)

    proxy.open()
    until(lambda: comes in series(cadvisor, memory), what="the missed container to appear")
    seen = series(cadvisor, memory)
    assert stays in seen
    assert leaves not in seen
    assert cadvisor.watch.failures >= 1


def test_the_monitor_stops_at_once_while_it_waits_for_events(start_cadvisor: Start) -> None:
    before = set(threading.enumerate())
    cadvisor = start_cadvisor()
    until(cadvisor.watch.connected.is_set, what="the daemon to be followed")
    cadvisor.stop()
    assert set(threading.enumerate()) <= before

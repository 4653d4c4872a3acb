"""With a real Docker daemon behind a door that can be held shut, and many containers at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from docker.api import APIClient

from cadvisor_lite.config import Config
from cadvisor_lite.docker_watch import DockerWatch
from cadvisor_lite.main import CadvisorLite
from cadvisor_lite.monitor import Monitor
from tests.cadvisor_lite.docker_proxy import DockerProxy
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker
Start = Callable[..., CadvisorLite]
Run = Callable[..., str]
LIMIT_S = 60


def scraped(cadvisor: CadvisorLite) -> str:
    answer = requests.get(f"http://127.0.0.1:{cadvisor.port}/metrics", timeout=10)
    assert answer.status_code == 200
    assert "container_scrape_error 0" in answer.text
    return answer.text


def test_a_daemon_that_hangs_stops_no_scrape_and_is_caught_up_with(
    start_cadvisor: Start,
    run_container: Run,
    docker_client: APIClient,
    proxy: DockerProxy,
    tmp_path: Path,
) -> None:
    proxy.open()
    cadvisor = start_cadvisor(docker_host=f"unix://{tmp_path / 'docker.sock'}")
    stays, leaves = run_container("sleep", "600"), run_container("sleep", "600")
    until(lambda: {stays, leaves} <= set(cadvisor.monitor.ids()), limit_s=LIMIT_S, what="both")
    proxy.hang()
    docker_client.remove_container(leaves, force=True)
    comes = run_container("sleep", "600")
    text = scraped(cadvisor)
    assert stays in text
    assert leaves not in text  # its cgroup is gone, whatever Docker does not tell
    assert comes not in text
    proxy.go_on()
    until(lambda: comes in scraped(cadvisor), limit_s=LIMIT_S, what="the one that came")
    assert leaves not in scraped(cadvisor)


def test_a_call_that_hangs_is_given_up_and_the_watch_comes_back(
    proxy: DockerProxy,
    tmp_path: Path,
    run_container: Run,
    make_config: Callable[..., Config],
) -> None:
    container_id = run_container("sleep", "600")
    monitor = Monitor(make_config())
    proxy.open()
    proxy.hang()
    watch = DockerWatch(f"unix://{tmp_path / 'docker.sock'}", monitor, call_timeout_s=0.5)
    watch.start()
    try:
        until(lambda: watch.failures >= 2, limit_s=LIMIT_S, what="the hanging call to be given up")
        assert not watch.connected.is_set()
        # Under a load on the machine the real daemon may take longer than that.
        watch._call_timeout_s = 10
        proxy.go_on()
        until(lambda: container_id in monitor.ids(), limit_s=LIMIT_S, what="the container")
    finally:
        watch.stop()
        monitor.stop()


def test_the_monitor_stops_at_once_while_a_call_hangs(
    proxy: DockerProxy, tmp_path: Path, start_cadvisor: Start
) -> None:
    proxy.open()
    proxy.hang()
    cadvisor = start_cadvisor(docker_host=f"unix://{tmp_path / 'docker.sock'}")
    assert "machine_cpu_cores" in scraped(cadvisor)
    cadvisor.stop()  # waits 5 s for the thread; the call would take 10
    assert "cadvisor-docker-watch" not in {thread.name for thread in threading.enumerate()}


def test_containers_that_start_at_once_all_appear_and_all_go(
    start_cadvisor: Start, run_container: Run, docker_client: APIClient
) -> None:
    cadvisor = start_cadvisor()
    until(cadvisor.watch.connected.is_set, what="the daemon to be followed")
    with ThreadPoolExecutor(4, "starter") as starters:
        made = set(starters.map(lambda _: run_container("sleep", "600", network_mode="none"), range(8)))
        until(lambda: made <= set(cadvisor.monitor.ids()), limit_s=LIMIT_S, what="all of them")
        text = scraped(cadvisor)
        assert all(text.count(f'id="/docker/{one}"') > 20 or one in text for one in made)
        list(starters.map(lambda one: docker_client.remove_container(one, force=True), made))
    until(lambda: not made & set(cadvisor.monitor.ids()), limit_s=LIMIT_S, what="none of them")
    assert not [one for one in made if one in scraped(cadvisor)]

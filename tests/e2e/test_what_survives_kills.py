"""kill -9 of each part and of all: workloads go on, and what comes back finds everything as it was."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, is_ready, restarts
from tests.e2e.guestbook import Visitor, is_up
from tests.e2e.waiting import seconds_until, until

pytestmark = pytest.mark.cluster
COMPONENTS = ("apiserver", "controllers", "scheduler", "agent", "netproxy", "dns", "cadvisor")
SOON_S = 3.0


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def of_the_guestbook(cluster: Cluster) -> dict[str, str]:
    """Name to id of the containers that run in its namespace; those of tests before may still be ending."""
    return {name: one for name, one in cluster.containers().items() if name.split("_")[3] == "default"}


def uids_and_restarts(api: Api) -> dict[str, tuple[str, int]]:
    return {one["metadata"]["name"]: (one["metadata"]["uid"], restarts(one)) for one in api.items("pods")}


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_guestbook_goes_on_without_a_component(
    component: str, cluster: Cluster, api: Api, visitor: Visitor, figures: dict[str, str]
) -> None:
    until(lambda: is_up(api), limit_s=20, what="the guestbook")
    before, pid = of_the_guestbook(cluster), cluster.pids()[component]
    os.kill(pid, signal.SIGKILL)
    if component == "netproxy":
        took = seconds_until(visitor.is_served, limit_s=15, what="the node port")
        figures["kill -9 netproxy until the node port serves"] = f"{took:.2f} s"
        assert took < SOON_S
    assert visitor.is_served()
    new = until(lambda: _new_pid(cluster, component, pid), limit_s=10, what=f"a new {component}")
    until(lambda: _answers(api), limit_s=10, what="the API")
    assert is_alive(new)
    assert visitor.is_served()
    assert of_the_guestbook(cluster) == before
    until(lambda: is_up(api), limit_s=20, what="the guestbook, as before")


def _new_pid(cluster: Cluster, component: str, old: int) -> int:
    found = cluster.pids().get(component, old)
    return 0 if found == old else found


def _answers(api: Api) -> bool:
    try:
        return api.call("GET", "/readyz").status_code == 200
    except OSError:
        return False


def test_the_cluster_still_works_after_all_that(kubectl: Kubectl, api: Api, visitor: Visitor) -> None:
    (victim, *_) = api.ready_pods("name=frontend")
    name = victim["metadata"]["name"]
    kubectl("delete", "pod", name, "--wait=false")
    until(lambda: is_up(api) and name not in visitor.reached(6), limit_s=15, what="a replacement that serves")
    until(lambda: len(visitor.reached(6)) == 3, limit_s=10, what="three front ends")


def test_a_kill_of_everything_costs_nothing(
    cluster: Cluster, api: Api, visitor: Visitor, figures: dict[str, str]
) -> None:
    until(lambda: len(api.items("pods", selector="name")) == 6 and is_up(api), limit_s=40, what="the guestbook")
    containers, pods = of_the_guestbook(cluster), uids_and_restarts(api)
    services = [one["metadata"]["uid"] for one in api.items("services")]
    visitor.say("before", "kill")
    pids = cluster.pids()
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(is_alive, pids.values())), limit_s=10, what="the end of all components")
    assert of_the_guestbook(cluster) == containers
    took = seconds_until(lambda: cluster.up() or True, limit_s=60)
    figures["kill -9 of everything: steersman up again"] = f"{took:.1f} s"
    took = seconds_until(visitor.is_served, limit_s=10, what="the node port")
    until(lambda: is_up(api), limit_s=20, what="six ready pods")
    until(lambda: visitor.read("before") == "kill", limit_s=5, what="the message")
    assert of_the_guestbook(cluster) == containers
    assert uids_and_restarts(api) == pods
    assert [one["metadata"]["uid"] for one in api.items("services")] == services


def test_down_keeps_containers_and_up_adopts_them(
    cluster: Cluster, api: Api, visitor: Visitor, figures: dict[str, str]
) -> None:
    containers, pods = of_the_guestbook(cluster), uids_and_restarts(api)
    pids = cluster.pids()
    said = cluster.down()
    assert "is down" in said
    assert not any(map(is_alive, pids.values()))
    assert of_the_guestbook(cluster) == containers
    assert "was not running" in cluster.down()
    figures["steersman up, again"] = f"{seconds_until(lambda: cluster.up() or True, limit_s=60):.1f} s"
    until(lambda: is_up(api) and visitor.is_served(), limit_s=20, what="the guestbook")
    assert of_the_guestbook(cluster) == containers
    assert uids_and_restarts(api) == pods
    assert "already running" in cluster.up()


def test_what_ended_meanwhile_is_noticed(cluster: Cluster, api: Api, created: str) -> None:
    (front, *_) = api.ready_pods("name=frontend")
    name, before = front["metadata"]["name"], restarts(front)
    cluster.down()
    cluster.docker("kill", cluster.container(front))
    cluster.up()

    def restarted() -> bool:
        now = api.pod(name)
        return is_ready(now) and restarts(now) == before + 1

    until(restarted, limit_s=20, what="the restart")


def test_idle_it_costs_little(cluster: Cluster, api: Api, visitor: Visitor, figures: dict[str, str]) -> None:
    """Measured while the guestbook runs and nobody asks for anything."""
    until(lambda: is_up(api), limit_s=20, what="the guestbook")
    processes = cluster.processes()
    first = {name: sum(one.cpu_times()[:2]) for name, one in processes.items()}
    seconds = seconds_until(_after(20.0), limit_s=30)
    for name, process in processes.items():
        memory = process.memory_full_info()
        cpu = (sum(process.cpu_times()[:2]) - first[name]) / seconds
        figures[f"idle {name}"] = (
            f"{memory.rss / 2**20:6.1f} MiB RSS {memory.pss / 2**20:6.1f} MiB PSS {100 * cpu:5.2f} % of a core"
        )


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end

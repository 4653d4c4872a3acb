"""A clock that is put an hour forward or back changes nothing of what pods were promised."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from agent.pods.actions import StartContainer, Terminate
from agent.pods.clock import read
from agent.pods.ending import Ender
from agent.pods.memory import Memory
from agent.pods.observed import Failure
from agent.pods.plan import plan
from api.core import ConfigMap
from tests.agent.cluster import NODE, Cluster, ready, restarts, waiting_reason
from tests.agent.facts import NOW, ended, observed, pod, record, sandbox
from tests.e2e.waiting import until

HOURS = (-1, 1)


@pytest.mark.parametrize("hours", HOURS)
def test_a_clock_that_is_put_amid_a_round_moves_what_the_round_began(
    put_clock: Callable[[int], None], hours: int
) -> None:
    """The moment is counted from the look at the clock, wherever in the round that was."""
    memory = Memory()
    put_clock(hours)
    began = memory.look_at_clock()
    memory.refresh_at = began + timedelta(seconds=5)
    memory.failures["main"] = Failure(reason="", message="", retry_at=began + timedelta(seconds=7))
    assert timedelta() <= memory.look_at_clock() - began < timedelta(seconds=1)
    assert memory.refresh_at - began == timedelta(seconds=5)
    put_clock(2 * hours)
    again = memory.look_at_clock()
    assert 4 < (memory.refresh_at - again).total_seconds() <= 5
    assert 6 < (memory.failures["main"].retry_at - again).total_seconds() <= 7


@pytest.mark.parametrize("hours", HOURS)
def test_workers_that_looked_before_and_after_the_clock_was_put_see_the_same_wait(
    put_clock: Callable[[int], None], hours: int
) -> None:
    ender, main = Ender(Mock()), record("c0")
    before = read()
    put_clock(hours)
    ender.terminate(None, Terminate(record=main, grace_s=30, because=""), None)
    for reading in (before, read(), before):
        kill_at = ender.terminations(reading)[main.id].kill_at
        assert 29 < (kill_at - reading.now).total_seconds() <= 31


def test_an_end_that_lies_in_the_future_is_not_waited_for() -> None:
    later = ended("c0", code=1, level=3, finished_at=NOW + timedelta(hours=1))
    todo = plan(pod(), observed(sandbox(), later), NOW)
    assert [type(action) for action in todo.actions] == [StartContainer]


@pytest.fixture
def put_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def put(hours: int) -> None:
        monkeypatch.setattr("agent.pods.clock.now", lambda: datetime.now(UTC) + timedelta(hours=hours))

    return put


@pytest.mark.docker
def test_the_nodes_status_is_told_also_after_the_clock_was_put_back(
    cluster: Cluster, put_clock: Callable[[int], None]
) -> None:
    agent = cluster.start_agent(status_s=0.2)
    report = ("patch/status", "Node", NODE)
    until(lambda: report in cluster.api.calls)
    put_clock(-1)
    before = cluster.api.calls.count(report)

    def told() -> bool:
        agent.keeper.look()
        return cluster.api.calls.count(report) > before + 8  # more than changes at the start could make

    until(told)


@pytest.mark.docker
@pytest.mark.parametrize("hours", HOURS)
def test_waits_last_as_long_as_they_were_meant_to(
    cluster: Cluster, put_clock: Callable[[int], None], hours: int
) -> None:
    cluster.start_agent(restart_base_s=1.0)
    folder = cluster.directory / "words"
    slow_end = "trap 'sleep 2; echo whole > /words/last; exit 0' TERM; echo > /words/armed; sleep 1000 & wait"
    mount = {"volumeMounts": [{"name": "words", "mountPath": "/words"}]}
    volume = {"name": "words", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    cluster.create("slow", containers=[cluster.container("main", slow_end, **mount)], volumes=[volume])
    cluster.create("stubborn", "trap '' TERM; while true; do sleep 0.1; done")
    cluster.create("quiet", containers=[cluster.container("main", "exec sleep 1000", livenessProbe=probe)])
    wanted = {"envFrom": [{"configMapRef": {"name": "settings"}}]}
    cluster.create("waits", containers=[cluster.container("main", "exec sleep 1000", **wanted)])
    for name in ("slow", "stubborn", "quiet"):
        cluster.wait_pod(name, ready)
    cluster.wait_pod("waits", lambda found: waiting_reason(found) == "CreateContainerConfigError")
    until((folder / "armed").exists)
    for name, grace_s in (("slow", 15), ("stubborn", 2)):
        cluster.delete(name, grace_s=grace_s)
    until(lambda: len(cluster.events("Killing")) == 2)
    put_clock(hours)
    cluster.add(ConfigMap, "settings", data={"A": "1"})
    cluster.wait_pod("waits", ready)
    for name in ("slow", "stubborn"):
        cluster.wait_gone(name)
    assert (folder / "last").read_text() == "whole\n"  # it was not killed before its time
    assert restarts(cluster.wait_pod("quiet", ready)) == 0


@pytest.mark.docker
def test_an_hour_without_the_master_costs_pods_nothing(cluster: Cluster, put_clock: Callable[[int], None]) -> None:
    cluster.start_agent()
    sources = [{"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}}]
    mount = {"volumeMounts": [{"name": "id", "mountPath": "/mnt"}]}
    probe = {"exec": {"command": ["cat", "/mnt/token"]}, "periodSeconds": 1}
    containers = [cluster.container("main", "exec sleep 1000", readinessProbe=probe, **mount)]
    cluster.create("stays", containers=containers, volumes=[{"name": "id", "projected": {"sources": sources}}])
    cluster.create("goes", "trap 'exit 0' TERM; sleep 1000 & wait")
    before = cluster.wait_pod("stays", ready)
    cluster.wait_pod("goes", ready)
    token = next((cluster.directory / "data/pods" / before.metadata.uid).rglob("..data/token"))
    held = token.read_text()
    cluster.api.down = True
    put_clock(1)
    # What ends meanwhile is started again, with the token of old, which nobody can renew.
    cluster.docker.kill(before.status.container_statuses[0].container_id.removeprefix("docker://"))
    until(lambda: len(cluster.containers(all=False)) == 4)
    assert token.read_text() == held
    cluster.api.delete_behind_its_back("goes", cluster.namespace)
    cluster.api.down = False
    after = cluster.wait_pod("stays", lambda found: ready(found) and restarts(found) == 1)
    assert after.metadata.uid == before.metadata.uid
    until(lambda: token.read_text() != held)
    until(lambda: not [row for row in cluster.containers() if "_goes_" in row["Names"][0]])

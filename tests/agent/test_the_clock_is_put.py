"""A clock that is put an hour forward or back changes nothing of what pods were promised."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agent.pods.plan import StartContainer, plan
from api.core import ConfigMap
from tests.agent.cluster import Cluster, ready, restarts, wait_until, waiting_reason
from tests.agent.facts import NOW, ended, observed, pod, sandbox

HOURS = (-1, 1)


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
    wait_until((folder / "armed").exists)
    for name, grace_s in (("slow", 15), ("stubborn", 2)):
        cluster.delete(name, grace_s=grace_s)
    wait_until(lambda: len(cluster.events("Killing")) == 2)
    put_clock(hours)
    cluster.add(ConfigMap, "settings", data={"A": "1"})
    cluster.wait_pod("waits", ready)
    for name in ("slow", "stubborn"):
        cluster.wait_gone(name)
    assert (folder / "last").read_text() == "whole\n"  # it was not killed before its time
    assert restarts(cluster.wait_pod("quiet", ready)) == 0

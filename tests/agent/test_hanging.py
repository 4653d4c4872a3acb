"""What hangs on Docker or on a mount delays nothing but itself."""

import os
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from agent.crew import Crew
from agent.jobs import Jobs
from api.core import Pod
from tests.agent.cluster import Cluster, ready, restarts
from tests.e2e.waiting import until


def test_a_crew_goes_on_while_one_of_its_threads_hangs() -> None:
    work: queue.Queue[str | None] = queue.Queue()
    release, done = threading.Event(), threading.Event()

    def do(item: str) -> None:
        if item == "hangs":
            release.wait(20)
        else:
            done.set()

    crew: Crew[str] = Crew("test", threads=1, take=work.get, work=do, patience_s=0.05)
    crew.start()
    work.put("hangs")
    work.put("next")
    assert done.wait(5)
    assert crew.hung == 1
    release.set()
    until(lambda: crew.hung == 0)
    work.put(None)
    crew.join(5)
    assert not any(thread.name.startswith("agent-test-") for thread in threading.enumerate())


def test_jobs_without_spares_keep_to_their_number() -> None:
    jobs, release, begun = Jobs("bounded", threads=1), threading.Event(), threading.Event()
    assert jobs.submit("a", lambda: bool(release.wait(20)) and None)
    assert jobs.submit("b", begun.set)
    assert not jobs.submit("a", begun.set)
    assert not begun.wait(0.2)
    release.set()
    assert begun.wait(5)
    jobs.close()


def _process_of(cluster: Cluster, pod: Pod) -> int:
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    return int(cluster.docker.inspect_container(identity)["State"]["Pid"])


@contextmanager
def _stopped(process: psutil.Process) -> Iterator[None]:
    """Every call to Docker about its container hangs meanwhile: it asks this process, and holds the lock."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.docker
def test_a_container_on_which_docker_hangs_delays_no_other(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.runtime.docker._SHORT_S", 1.0)
    monkeypatch.setattr("agent.pods.plan.KILL_BY_PID_AFTER_S", 1.0)
    monkeypatch.setattr("agent.pods.plan.KILL_AGAIN_S", 0.5)
    cluster.start_agent(workers=1, probe_workers=1, docker_timeout_s=3.0)
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}
    container = cluster.container("main", "exec sleep 1000", readinessProbe=probe)
    for name in ("hung", "other"):
        cluster.create(name, containers=[container])
    pod = cluster.wait_pod("hung", ready)
    other = cluster.wait_pod("other", ready)
    process = _process_of(cluster, pod)
    shim = psutil.Process(process).parent()
    assert shim is not None
    assert "shim" in shim.name()
    with _stopped(shim):
        cluster.delete("hung", grace_s=1)
        os.kill(_process_of(cluster, other), signal.SIGKILL)
        cluster.create("new", containers=[container])
        cluster.wait_pod("new", ready, timeout_s=15)
        cluster.wait_pod("other", lambda pod: restarts(pod) == 1 and ready(pod), timeout_s=15)
        assert cluster.get("hung") is not None
        # Docker does not end it, so it is ended past Docker; its shim cannot bury it yet.
        until(lambda: _is_dead(process), limit_s=25)
        until(lambda: any("killing process" in told for told in cluster.events("FailedKillPod")))
    cluster.wait_gone("hung", timeout_s=30)
    assert not cluster.events("NodeNotReady")


def _is_dead(pid: int) -> bool:
    """Gone, or waiting for its parent to take note."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True

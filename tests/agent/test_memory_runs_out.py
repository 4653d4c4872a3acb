"""Whom the kernel ended for want of memory is named, in an event of the node or of the pod."""

import os
from pathlib import Path

import pytest

from agent.node.oom import KMSG, OomWatch, Parser, Victim
from tests.agent.cluster import Cluster
from tests.e2e.waiting import until

ID = "9348929d6044f0433ce97b192cf53c9d57f0c886713b82c13924ac2ad6479bdd"
NEW_GROUP = (
    f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={ID},mems_allowed=0,"
    f"oom_memcg=/kubepods/burstable/podx/{ID},task_memcg=/kubepods/burstable/podx/{ID},task=sh,pid=18886,uid=0"
)
NEW_SYSTEM = (
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
    f"task_memcg=/system.slice/docker-{ID}.scope,task=a,b=c d,pid=77,uid=0"
)
NEW_PROCESS = "Memory cgroup out of memory: Killed process 18886 (sh) total-vm:26852kB, anon-rss:16132kB, UID:0 x"
OLD_GROUP = f"Task in /docker/{ID} killed as a result of limit of /docker/{ID}"
OLD_PROCESS = "Killed process 4321 (java) total-vm:26852kB, anon-rss:16132kB, file-rss:1520kB"


@pytest.mark.parametrize(
    ("lines", "victims"),
    [
        ([NEW_GROUP, NEW_PROCESS], [Victim(name="sh", pid=18886, container=ID, system=False)]),
        ([NEW_SYSTEM], [Victim(name="a,b=c d", pid=77, container=ID, system=True)]),
        ([OLD_GROUP, OLD_PROCESS], [Victim(name="java", pid=4321, container=ID, system=False)]),
        ([OLD_PROCESS], [Victim(name="java", pid=4321, container="", system=True)]),
        (["eth0: Killed process", "oom-kill:constraint=", "Task in x killed"], []),
    ],
)
def test_the_kernels_words_are_understood(lines: list[str], victims: list[Victim]) -> None:
    parser = Parser()
    assert [found for line in lines if (found := parser.feed(line)) is not None] == victims


def test_the_log_is_followed_until_the_watch_stops(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    os.mkfifo(path)
    found: list[Victim] = []
    watch = OomWatch(found.append, path)
    watch.start()
    with path.open("w") as kernel:
        kernel.write(f"6,1,2,-;{NEW_SYSTEM}\n SUBSYSTEM=memory\n6,2,3,-;{NEW_GROUP}\n")
        kernel.flush()
        until(lambda: [victim.pid for victim in found] == [77, 18886])
        watch.stop()


def test_a_log_that_cannot_be_read_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = OomWatch(lambda _: None, tmp_path / "none")
    watch.start()
    watch.stop()
    assert "victims of want of memory are not named" in caplog.text


def _can_read_log() -> bool:
    try:
        os.close(os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.docker
@pytest.mark.skipif(not _can_read_log(), reason="the kernel's log may not be read here")
def test_an_event_of_the_pod_names_the_process_that_was_killed(shared: Cluster) -> None:
    shared.start_agent()
    command = "sleep 1; head -c 60000000 /dev/zero | tail -n 1 | wc -c; sleep 1000"
    greedy = shared.container("main", command, resources={"limits": {"memory": "16Mi"}})
    shared.create("greedy", containers=[greedy])
    until(lambda: bool(shared.events("OOMKilling")))
    assert any("Killed process" in told and "(tail)" in told for told in shared.events("OOMKilling"))


@pytest.mark.docker
def test_an_event_of_the_node_tells_that_the_machine_ran_out_of_memory(cluster: Cluster) -> None:
    agent = cluster.start_agent()
    agent.teller.victim(Victim(name="java", pid=4321, container="", system=True))
    until(lambda: bool(cluster.events("SystemOOM")))
    assert cluster.events("SystemOOM") == ["System OOM encountered, victim process: java, pid: 4321"]

"""Conflicts, lost answers, restarts and two schedulers at once: each pod gets one node, and no node too many."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.core import Event, Pod
from client import Client, EventRecorder, Unreachable
from master.scheduler.cluster import Cluster
from master.scheduler.picture import Picture
from master.scheduler.profile import Profile
from master.scheduler.queueing import SchedulingQueue
from master.scheduler.scheduler import Scheduler
from master.scheduler.wish import Wish
from tests.controllers.live import LIMIT_S, Master
from tests.e2e.waiting import until
from tests.scheduler.made import node, pod
from tests.scheduler.running import empty, join, node_of, scheduler, why

ROOM = 40


@pytest.fixture(autouse=True)
def emptied(admin: Client) -> Iterator[None]:
    yield
    empty(admin)


def placed(admin: Client) -> dict[str, str]:
    return {one.metadata.name: one.spec.node_name for one in admin.list(Pod).items if one.spec.node_name}


def nodes(admin: Client, count: int = 4) -> None:
    for number in range(count):
        join(admin, node(f"n{number}", room={"pods": str(ROOM // count)}))


class Troubled(Client):
    """A client whose first binding of each pod meets something on its way."""

    def __init__(self, master: Master, trouble: str) -> None:
        whole = master.client("scheduler")
        self.__dict__.update(whole.__dict__)
        self._trouble = trouble
        self._met: set[str] = set()
        self.bindings: list[tuple[str, str]] = []
        self.released = threading.Event()

    def bind(self, pod_name: str, namespace: str, node_name: str, *, uid: str = "") -> None:
        first = pod_name not in self._met
        self._met.add(pod_name)
        self.bindings.append((pod_name, node_name))
        if first and self._trouble == "lost on the way":
            raise Unreachable("the connection broke before the request was sent")
        super().bind(pod_name, namespace, node_name, uid=uid)
        if first and self._trouble == "answer lost":
            raise Unreachable("the connection broke before the answer came")


@pytest.fixture
def working(master: Master, request: pytest.FixtureRequest) -> Iterator[Troubled]:
    client = Troubled(master, request.param)
    recorder = EventRecorder(client, "default-scheduler")
    stop = threading.Event()
    made = Scheduler(client, {"default-scheduler": Profile()}, lambda _: recorder)
    thread = threading.Thread(target=made.schedule, args=(stop,))
    thread.start()
    yield client
    stop.set()
    thread.join(LIMIT_S)
    recorder.close()
    client.close()


@pytest.mark.parametrize("working", ["lost on the way"], indirect=True)
def test_a_binding_that_did_not_arrive_is_made_again_and_its_room_is_kept(working: Troubled, admin: Client) -> None:
    join(admin, node("n1", room={"cpu": "2"}))
    admin.create(pod("a", cpu="2"))
    until(lambda: working.bindings)
    admin.create(pod("b", cpu="2"))
    until(lambda: node_of(admin, "a") == "n1" or node_of(admin, "b") == "n1")
    until(lambda: why(admin, "b") or why(admin, "a"))
    assert len(placed(admin)) == 1


@pytest.mark.parametrize("working", ["answer lost"], indirect=True)
def test_a_binding_whose_answer_was_lost_is_not_made_again(working: Troubled, admin: Client) -> None:
    nodes(admin)
    for number in range(5):
        admin.create(pod(f"p{number}"))
    until(lambda: len(placed(admin)) == 5)
    # Longer than the first back-off: had it been tried again, it would show.
    until(lambda: len(working.bindings) >= 5)
    time.sleep(1.5)
    assert sorted(name for name, _ in working.bindings) == [f"p{number}" for number in range(5)]
    assert dict(working.bindings) == placed(admin)


def test_a_change_seen_before_the_binding_does_not_make_the_pod_wait_again(master: Master, admin: Client) -> None:
    """It would be bound to a second place, be refused there, and the room of the first would count as free."""
    client, cluster, queue = master.client("scheduler"), Cluster(), SchedulingQueue()
    picture = Picture(client, cluster, queue, scheduler_names=frozenset({"default-scheduler"}), gated=lambda _pod: None)
    made = admin.create(pod("a"))
    key, uid = ("default", "a"), made.metadata.uid
    picture.pods._list()
    entry = queue.get(0)
    found = picture.waiting(*key, uid)
    assert entry is not None
    assert found is not None
    cluster.place(Wish.of(found), "n1")
    picture.assume(Wish.of(found))
    queue.end(entry)
    admin.patch(Pod, "a", "default", {"metadata": {"labels": {"late": "news"}}})
    picture.pods._take("MODIFIED", admin.get(Pod, "a", "default"))
    assert queue.get(0) is not None, "it is looked at"
    assert picture.waiting(*key, uid) is None
    admin.bind("a", "default", "n1")
    picture.pods._take("MODIFIED", admin.get(Pod, "a", "default"))
    assert picture.assumed == set()
    client.close()


@pytest.mark.parametrize("working", [""], indirect=True)
def test_a_pod_bound_by_another_is_left_to_it(working: Troubled, admin: Client) -> None:
    """The other one binds at the same moment, to a node of its own."""
    original = working.transport.request
    raced: list[str] = []

    def racing(method: str, path: str, **more: object) -> bytes:
        if path.endswith("/pods/a/binding") and not raced:
            raced.append(path)
            admin.bind("a", "default", "n1")
        return original(method, path, **more)  # type: ignore[arg-type]

    working.transport.request = racing  # type: ignore[method-assign, assignment]
    join(admin, node("n1", spec={"unschedulable": True}))
    join(admin, node("n2", room={"cpu": "2"}))
    admin.create(pod("a", cpu="2"))
    until(lambda: node_of(admin, "a") == "n1")
    assert raced
    # The room that was assumed on the other node is free again.
    admin.create(pod("b", cpu="2"))
    until(lambda: node_of(admin, "b") == "n2")
    assert node_of(admin, "a") == "n1"


def test_two_schedulers_without_a_leader_bind_each_pod_once(master: Master, admin: Client) -> None:
    nodes(admin)
    with scheduler(master, leader_elect=False), scheduler(master, leader_elect=False):
        for number in range(30):
            admin.create(pod(f"p{number}"))
        until(lambda: len(placed(admin)) == 30)
        uids = {one.metadata.uid: one.spec.node_name for one in admin.list(Pod).items}
        until(lambda: len(told(admin, set(uids))) >= 30)
    assert sorted(told(admin, set(uids))) == sorted(uids.items()), "one of both has bound it, and said so"


def told(admin: Client, uids: set[str]) -> list[tuple[str, str]]:
    """UID and node of each event that tells of a binding."""
    events = admin.list(Event, fields="reason=Scheduled").items
    about = [(one.involved_object.uid, one.message.rpartition(" ")[2]) for one in events]
    return [one for one in about if one[0] in uids]


def test_of_two_schedulers_one_works(master: Master, admin: Client) -> None:
    nodes(admin)
    with scheduler(master):
        admin.create(pod("first"))
        until(lambda: node_of(admin, "first"))
        with scheduler(master):
            for number in range(ROOM + 5):
                admin.create(pod(f"p{number}"))
            until(lambda: len(placed(admin)) == ROOM)
            until(lambda: sum(bool(why(admin, f"p{number}")) for number in range(ROOM + 5)) == 6)
    per_node = list(placed(admin).values())
    assert max(per_node.count(name) for name in set(per_node)) <= ROOM // 4


def test_killed_between_deciding_and_binding_it_starts_anew_and_overfills_nothing(
    master: Master, admin: Client
) -> None:
    nodes(admin)
    for number in range(ROOM + 5):
        admin.create(pod(f"p{number}"))
    kills = 0
    while len(placed(admin)) < ROOM:
        process = _process(master)
        try:
            before = len(placed(admin))
            # What was on its way when the one before was killed may have been the last.
            until(lambda before=before: len(placed(admin)) > before or len(placed(admin)) == ROOM)  # type: ignore[misc]
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        kills += 1
    assert kills
    with scheduler(master):
        until(lambda: sum(bool(why(admin, f"p{number}")) for number in range(ROOM + 5)) == 5)
    per_node = list(placed(admin).values())
    assert sorted(per_node.count(f"n{number}") for number in range(4)) == [ROOM // 4] * 4


def _process(master: Master) -> "subprocess.Popen[bytes]":
    script = f"""
import threading
from pathlib import Path
from master.scheduler.config import Config
from master.scheduler.main import run
run(Config(kubeconfig=Path({str(master.kubeconfig("scheduler"))!r})), threading.Event())
"""
    return subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])

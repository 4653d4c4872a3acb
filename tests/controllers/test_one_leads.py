"""Leader election beside a real API server: by clocks that the test sets, and with real processes that are stopped and
killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.coordination import Lease
from api.core import Pod, ReplicationController
from client import Client, Election, ElectionSettings, Informer, NotLeading, load_kubeconfig
from client.identity import has_died, own_identity
from client.transport import Transport
from tests.controllers.live import Master
from tests.controllers.made import controller
from tests.e2e.waiting import until

ROOT = Path(__file__).parents[2]
NAME = "kube-controller-manager"
NEVER = threading.Event()


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transport(master: Master, admin: Client) -> Iterator[Transport]:
    for lease in admin.list(Lease, "kube-system").items:
        admin.delete(Lease, lease.metadata.name, "kube-system")
    made = Transport(load_kubeconfig(master.kubeconfig("controller-manager")))
    yield made
    made.close()


def candidate(transport: Transport, clock: Clock, identity: str) -> Election:
    return Election(transport, NAME, ElectionSettings(), identity=identity, clock=clock)


def holder(admin: Client) -> str:
    return admin.get(Lease, NAME, "kube-system").spec.holder_identity or ""


def test_the_first_leads_until_it_is_silent_for_the_lease_duration(
    transport: Transport, admin: Client, clock: Clock
) -> None:
    first, second = candidate(transport, clock, "first"), candidate(transport, clock, "second")
    assert first._try()
    assert not second._try()
    for _ in range(10):
        clock.now_s += 2
        assert first._try()
        assert not second._try(), "a renewed lease is not taken, however old it is"
    clock.now_s += 8
    with pytest.raises(NotLeading):
        first.check()
    clock.now_s += 3.9
    assert not second._try(), "not before the lease duration"
    clock.now_s += 0.2
    assert second._try()
    second.check()
    assert holder(admin) == "second"
    assert not first._try()
    with pytest.raises(NotLeading):
        first.check()
    spec = admin.get(Lease, NAME, "kube-system").spec
    assert (spec.lease_transitions, spec.lease_duration_seconds) == (1, 12)


def test_clocks_need_not_agree(transport: Transport) -> None:
    """Only how long a candidate itself has seen no change counts."""
    ahead, behind = Clock(), Clock()
    behind.now_s = -1e6
    first, second = candidate(transport, ahead, "first"), candidate(transport, behind, "second")
    assert first._try()
    assert not second._try()
    behind.now_s += 13
    assert second._try()


def test_a_lease_that_was_given_back_is_taken_at_once(transport: Transport, admin: Client, clock: Clock) -> None:
    first, second = candidate(transport, clock, "first"), candidate(transport, clock, "second")
    assert first.acquire(NEVER)
    first.release()
    with pytest.raises(NotLeading):
        first.check()
    assert second._try()
    first.release()
    assert holder(admin) == "second", "what is not held any more cannot be given back"


def test_who_finds_his_lease_taken_writes_no_more(transport: Transport, admin: Client, clock: Clock) -> None:
    first = candidate(transport, clock, "first")
    assert first._try()
    admin.patch(Lease, NAME, "kube-system", {"spec": {"holderIdentity": "other"}}, form="merge")
    first._try()
    assert not first._try()
    with pytest.raises(NotLeading):
        first.check()


def test_a_write_is_held_back_and_a_read_is_not(
    transport: Transport, master: Master, namespace: str, clock: Clock
) -> None:
    first = candidate(transport, clock, "first")
    client = Client(load_kubeconfig(master.kubeconfig("controller-manager")), before_write=first.check)
    assert first._try()
    pod = Pod(metadata=controller("x", namespace=namespace).metadata, spec=controller("x").spec.template.spec)
    client.create(pod)
    clock.now_s += 9
    with pytest.raises(NotLeading):
        client.delete(Pod, "x", namespace)
    assert client.get(Pod, "x", namespace).metadata.deletion_timestamp is None
    client.close()


def test_a_dead_process_of_this_host_is_known_to_be_dead(transport: Transport, clock: Clock) -> None:
    code = "from client.identity import own_identity; print(own_identity())"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    dead, alive = answer.stdout.strip(), own_identity()
    assert has_died(dead)
    assert not has_died(alive)
    assert not has_died(f"elsewhere_{dead.rpartition('_')[2]}")
    assert not any(has_died(name) for name in ("", "host_1f8a", "other_b2-x-y-z"))
    assert alive != own_identity(), "two candidates of one process are two"
    assert candidate(transport, clock, dead)._try()
    assert candidate(transport, clock, "next")._try()


class Copy:
    """A whole process of the controllers."""

    def __init__(self, master: Master) -> None:
        flags = [f"--kubeconfig={master.kubeconfig('controller-manager')}"]
        times = {"lease-duration": 4, "renew-deadline": 3, "retry-period": 0.5}
        flags += [f"--leader-elect-{name}-s={value}" for name, value in times.items()]
        command = [sys.executable, "-m", "cli.steersman", "controllers", *flags]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    def leads(self, admin: Client) -> bool:
        return f"-{self.process.pid}-" in holder(admin)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(60)


@pytest.fixture
def copies(master: Master, transport: Transport) -> Iterator[list[Copy]]:
    made = [Copy(master), Copy(master)]
    yield made
    for copy in made:
        copy.end()


def test_of_two_copies_one_acts_and_the_other_follows_when_it_is_stopped_or_killed(
    copies: list[Copy], admin: Client, namespace: str
) -> None:
    made: set[str] = set()
    gone: set[str] = set()

    def seen(old: Pod | None, new: Pod | None) -> None:
        made.add(new.metadata.uid) if new is not None else gone.add(old.metadata.uid)  # type: ignore[union-attr]

    pods = Informer(admin, Pod, namespace=namespace, on_change=seen)
    pods.start()
    try:
        admin.create(controller(namespace=namespace, replicas=5))
        until(lambda: len(pods.items()) == 5)
        leader = next(copy for copy in copies if copy.leads(admin))
        other = next(copy for copy in copies if copy is not leader)
        leader.signal(signal.SIGSTOP)
        admin.patch(ReplicationController, "web", namespace, {"spec": {"replicas": 7}}, form="merge")
        until(lambda: len(pods.items()) == 7 and other.leads(admin))
        # It wakes in the belief that it leads.
        leader.signal(signal.SIGCONT)
        admin.patch(ReplicationController, "web", namespace, {"spec": {"replicas": 9}}, form="merge")
        until(lambda: len(pods.items()) == 9 and observed(admin, namespace) == 9)
        other.end()
        until(lambda: leader.leads(admin))
        admin.patch(ReplicationController, "web", namespace, {"spec": {"replicas": 10}}, form="merge")
        until(lambda: len(pods.items()) == 10 and observed(admin, namespace) == 10)
    finally:
        pods.stop()
    assert (len(made), len(gone)) == (10, 0), "each was made once"


def observed(admin: Client, namespace: str) -> int:
    return admin.get(ReplicationController, "web", namespace).status.replicas


def test_a_copy_that_ends_in_order_is_followed_before_its_lease_has_run_out(copies: list[Copy], admin: Client) -> None:
    until(lambda: any(copy.leads(admin) for copy in copies) if leases(admin) else False)
    leader = next(copy for copy in copies if copy.leads(admin))
    leader.signal(signal.SIGTERM)
    assert leader.process.wait(60) == 0
    until(lambda: not leader.leads(admin) and any(copy.leads(admin) for copy in copies))


def leases(admin: Client) -> list[str]:
    return [item.metadata.name for item in admin.list(Lease, "kube-system").items]

"""Nodes and endpoints beside a real API server: ranges, silence, readiness."""

import threading
import time
from collections.abc import Collection, Iterator

import pytest

from api.codec import plain
from api.coordination import Lease
from api.core import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Event, Node, Pod, Service, Taint
from api.discovery import EndpointSlice
from api.errors import NotFound
from api.meta import ObjectMeta
from api.scalars import now, now_micro
from client import Client, EventRecorder, Informer, Unreachable
from master.controllers import noderanges
from master.controllers.config import Config
from master.controllers.endpoints import BATCH_S, EndpointsController
from master.controllers.heartbeats import Attention, Heartbeats
from master.controllers.informers import Informers
from master.controllers.noderanges import NodeRanges, free_range
from master.controllers.nodes import NodeController
from tests.controllers.conftest import Start
from tests.controllers.live import LIMIT_S, Master
from tests.controllers.made import node, pod, service
from tests.e2e.waiting import until

LEASES = "kube-node-lease"


@pytest.fixture(autouse=True)
def nodes_removed(admin: Client) -> Iterator[None]:
    yield
    for item in admin.list(Node).items:
        admin.delete(Node, item.metadata.name)


def join(admin: Client, name: str) -> None:
    """As an agent does: created, then its status patched, which fails for no change that a controller makes between."""
    admin.create(node(name))
    admin.patch(Node, name, "", {"status": plain(node(name).status)}, subresource="status", form="merge")


def test_a_new_node_takes_no_pods_until_it_is_ready(admin: Client, controllers: Start) -> None:
    def marks() -> set[tuple[str, str]]:
        return {(taint.key, taint.effect) for taint in admin.get(Node, "new").spec.taints}

    made = node("new")
    made.spec.taints = [Taint(key="example.com/own", effect="NoSchedule")]
    admin.create(made)
    new, own = ("node.kubernetes.io/not-ready", "NoSchedule"), ("example.com/own", "NoSchedule")
    assert marks() == {new, own}
    status = plain(node("new", ready="False").status)
    admin.patch(Node, "new", "", {"status": status}, subresource="status", form="merge")
    controllers()
    until(lambda: admin.get(Node, "new").spec.pod_cidr)
    assert marks() == {new, own}
    admin.patch(Node, "new", "", {"status": plain(node("new").status)}, subresource="status", form="merge")
    until(lambda: marks() == {own})


def backend(admin: Client, name: str, namespace: str, ip: str, *, on: str = "", ready: bool = True) -> None:
    """A pod that its node reports as running."""
    made = pod(name, ready=ready, ip=ip)
    made.metadata.namespace = namespace
    status = made.status
    created = admin.create(made)
    if on:
        admin.bind(name, namespace, on)
        created = admin.get(Pod, name, namespace)
    created.status = status
    admin.update_status(created)


def say_ready(admin: Client, name: str, namespace: str, *, ready: bool) -> None:
    changed = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now()}
    admin.patch(Pod, name, namespace, {"status": {"conditions": [changed]}}, subresource="status")


def addresses(admin: Client, namespace: str) -> tuple[list[str], list[str]]:
    """Ready ones and others."""
    try:
        found = admin.get(Endpoints, "web", namespace).subsets
    except NotFound:
        return ["none"], ["none"]
    return (
        [address.ip for subset in found for address in subset.addresses],
        [address.ip for subset in found for address in subset.not_ready_addresses],
    )


def sliced(admin: Client, namespace: str) -> list[tuple[str, bool | None]]:
    return sorted(
        (endpoint.addresses[0], endpoint.conditions.ready if endpoint.conditions else None)
        for item in admin.list(EndpointSlice, namespace, labels="kubernetes.io/service-name=web").items
        for endpoint in item.endpoints
    )


def test_endpoints_follow_readiness(admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    admin.create(service(namespace=namespace))
    until(lambda: addresses(admin, namespace) == ([], []))
    backend(admin, "a", namespace, "10.0.0.1")
    backend(admin, "b", namespace, "10.0.0.2", ready=False)
    until(lambda: addresses(admin, namespace) == (["10.0.0.1"], ["10.0.0.2"]))
    say_ready(admin, "b", namespace, ready=True)
    until(lambda: addresses(admin, namespace) == (["10.0.0.1", "10.0.0.2"], []))
    until(lambda: sliced(admin, namespace) == [("10.0.0.1", True), ("10.0.0.2", True)])
    say_ready(admin, "a", namespace, ready=False)
    until(lambda: addresses(admin, namespace) == (["10.0.0.2"], ["10.0.0.1"]))
    until(lambda: sliced(admin, namespace) == [("10.0.0.1", False), ("10.0.0.2", True)])
    admin.delete(Pod, "b", namespace, grace_s=0)
    until(lambda: addresses(admin, namespace) == ([], ["10.0.0.1"]))
    admin.patch(Pod, "a", namespace, {"metadata": {"labels": {"app": "other"}}})
    until(lambda: addresses(admin, namespace) == ([], []))
    until(lambda: sliced(admin, namespace) == [])


def test_too_many_addresses_are_cut_and_it_is_said(
    admin: Client, namespace: str, controllers: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("master.controllers.backends.MOST_ADDRESSES", 2)
    controllers()
    admin.create(service(namespace=namespace))
    for number in range(3):
        backend(admin, f"p{number}", namespace, f"10.0.0.{number}")

    def told() -> tuple[int, str | None]:
        made = admin.get(Endpoints, "web", namespace)
        count = sum(len(one.addresses) for one in made.subsets)
        return count, made.metadata.annotations.get("endpoints.kubernetes.io/over-capacity")

    until(lambda: len(sliced(admin, namespace)) == 3)
    until(lambda: told() == (2, "truncated"))
    # What is written stays as it is; that nothing is cut any more is news.
    admin.delete(Pod, "p2", namespace, grace_s=0)
    until(lambda: told() == (2, None))


def test_slices_tell_the_zone_of_a_pods_node(admin: Client, namespace: str, controllers: Start) -> None:
    place = node("placed")
    place.metadata.labels = {"topology.kubernetes.io/zone": "east"}
    admin.create(place)
    controllers()
    admin.create(service(namespace=namespace))
    backend(admin, "a", namespace, "10.0.0.1", on="placed")
    until(lambda: sliced(admin, namespace) == [("10.0.0.1", True)])
    # The slice without endpoints, of the time before the pod, goes after the other one was made.
    found = admin.list(EndpointSlice, namespace).items
    assert [endpoint.zone for one in found for endpoint in one.endpoints] == ["east"]


def test_a_range_that_gets_free_while_another_node_looks_for_one_is_not_missed(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = master.client("controller-manager")
    informers, recorder = Informers(client), EventRecorder(client, "test")
    ranges = NodeRanges(client, informers, recorder, cluster="10.0.0.0/24", size=24)
    holder, late = node("holder"), node("late")
    holder.spec.pod_cidr = "10.0.0.0/24"
    for one in (holder, late):
        informers.nodes._take("ADDED", one)

    def free_too_late(cluster: str, prefix: int, taken: Collection[str]) -> str | None:
        informers.nodes._take("DELETED", holder)
        return free_range(cluster, prefix, taken)

    monkeypatch.setattr(noderanges, "free_range", free_too_late)
    queue = ranges.loop.queue
    try:
        key = queue.get(timeout_s=LIMIT_S)
        assert key == ("", "late")
        assert "no free range" in ranges.reconcile(key)
        queue.done(key)
        assert queue.get(timeout_s=LIMIT_S) == key
    finally:
        recorder.close()
        client.close()


def test_slices_tell_the_zone_of_a_node_that_comes_late(admin: Client, namespace: str, master: Master) -> None:
    """Its own controller alone: another one takes pods away whose node is not there."""

    def zones() -> list[str | None]:
        found = admin.list(EndpointSlice, namespace).items
        return [endpoint.zone for one in found for endpoint in one.endpoints]

    client = master.client("controller-manager")
    informers = Informers(client)
    loop = EndpointsController(client, informers).loop
    informers.start()
    try:
        assert all(informer.wait_synced(LIMIT_S) for informer in informers.all)
        loop.start()
        admin.create(service(namespace=namespace))
        backend(admin, "a", namespace, "10.0.0.1", on="late")
        until(lambda: zones() == [None])
        # The own writes come back and are a reason to look again; only what comes after that is of interest.
        time.sleep(5 * BATCH_S)
        place = node("late")
        place.metadata.labels = {"topology.kubernetes.io/zone": "east"}
        admin.create(place)
        until(lambda: zones() == ["east"])
        admin.patch(Node, "late", "", {"metadata": {"labels": {"topology.kubernetes.io/zone": "west"}}}, form="merge")
        until(lambda: zones() == ["west"])
    finally:
        loop.stop()
        informers.stop()
        client.close()


def test_endpoints_follow_the_service(admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    backend(admin, "a", namespace, "10.0.0.1")
    admin.create(service(namespace=namespace))
    until(lambda: addresses(admin, namespace)[0] == ["10.0.0.1"])
    admin.patch(Service, "web", namespace, {"spec": {"selector": {"app": "none"}}}, form="merge")
    until(lambda: addresses(admin, namespace) == ([], []))
    admin.patch(Service, "web", namespace, {"spec": {"selector": {"app": "web"}}}, form="merge")
    admin.patch(Service, "web", namespace, {"spec": {"ports": [{"port": 90, "targetPort": 9090}]}}, form="merge")
    until(lambda: ports(admin, namespace) == [9090])


def ports(admin: Client, namespace: str) -> list[int]:
    return [port.port for subset in admin.get(Endpoints, "web", namespace).subsets for port in subset.ports]


def test_endpoints_written_by_hand_reach_those_who_read_slices(
    admin: Client, namespace: str, controllers: Start
) -> None:
    controllers()
    admin.create(service(namespace=namespace, selector={}))
    subset = EndpointSubset(addresses=[EndpointAddress(ip="10.9.0.1")], ports=[EndpointPort(port=80, protocol="TCP")])
    made = Endpoints(metadata=ObjectMeta(name="web", namespace=namespace), subsets=[subset])
    admin.create(made)
    until(lambda: sliced(admin, namespace) == [("10.9.0.1", True)])
    move = {"subsets": [{"notReadyAddresses": [{"ip": "10.9.0.1"}], "ports": [{"port": 80}]}]}
    admin.patch(Endpoints, "web", namespace, move, form="merge")
    until(lambda: sliced(admin, namespace) == [("10.9.0.1", False)])
    (copy,) = admin.list(EndpointSlice, namespace).items
    admin.delete(EndpointSlice, copy.metadata.name, namespace)
    until(lambda: sliced(admin, namespace) == [("10.9.0.1", False)])
    skip = {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
    admin.patch(Endpoints, "web", namespace, skip)
    until(lambda: sliced(admin, namespace) == [])
    admin.patch(Endpoints, "web", namespace, {"metadata": {"labels": None}}, form="merge")
    until(lambda: sliced(admin, namespace) == [("10.9.0.1", False)])
    admin.delete(Endpoints, "web", namespace)
    until(lambda: sliced(admin, namespace) == [])


def test_what_someone_removed_or_changed_is_put_right(admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    backend(admin, "a", namespace, "10.0.0.1")
    admin.create(service(namespace=namespace))
    until(lambda: sliced(admin, namespace) == [("10.0.0.1", True)])
    until(lambda: addresses(admin, namespace)[0] == ["10.0.0.1"])
    admin.delete(Endpoints, "web", namespace)
    (one,) = (one for one in admin.list(EndpointSlice, namespace).items if one.endpoints)
    admin.delete(EndpointSlice, one.metadata.name, namespace)
    until(lambda: addresses(admin, namespace)[0] == ["10.0.0.1"])
    until(lambda: sliced(admin, namespace) == [("10.0.0.1", True)])
    admin.patch(Endpoints, "web", namespace, {"subsets": None}, form="merge")
    until(lambda: addresses(admin, namespace)[0] == ["10.0.0.1"])


def test_many_pods_at_once_are_few_writes(admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    admin.create(service(namespace=namespace))
    until(lambda: addresses(admin, namespace) == ([], []))
    writes: list[str] = []
    following = Informer(
        admin, Endpoints, namespace=namespace, on_change=lambda _old, new: writes.append(new.metadata.resource_version)
    )
    following.start()
    began = time.monotonic()
    try:
        for number in range(60):
            backend(admin, f"p{number}", namespace, f"10.0.0.{number + 1}")
        until(lambda: len(addresses(admin, namespace)[0]) == 60)
    finally:
        following.stop()
    assert len(writes) <= (time.monotonic() - began) / BATCH_S + 3, "each write is for all pods of a fifth of a second"


def test_endpoints_made_by_hand_are_left_alone(admin: Client, namespace: str, controllers: Start) -> None:
    controllers()
    by_hand = service(namespace=namespace, selector={})
    admin.create(by_hand)
    admin.create(Endpoints(metadata=ObjectMeta(name="web", namespace=namespace, labels={"by": "hand"})))
    other = service(name="other", namespace=namespace)
    admin.create(other)
    until(lambda: admin.get(Endpoints, "other", namespace) if _is_there(admin, namespace) else None)
    assert admin.get(Endpoints, "web", namespace).metadata.labels == {"by": "hand"}


def _is_there(admin: Client, namespace: str) -> bool:
    return "other" in [item.metadata.name for item in admin.list(Endpoints, namespace).items]


def test_each_node_gets_a_range_of_its_own(admin: Client, controllers: Start) -> None:
    join(admin, "early")
    stop = controllers()
    for number in range(5):
        join(admin, f"n{number}")

    def ranges() -> list[str]:
        return [item.spec.pod_cidr for item in admin.list(Node).items if item.spec.pod_cidr]

    until(lambda: len(ranges()) == 6)
    first = {item.metadata.name: item.spec.pod_cidr for item in admin.list(Node).items}
    assert len(set(first.values())) == 6
    assert all(item.spec.pod_cidrs == [item.spec.pod_cidr] for item in admin.list(Node).items)
    stop.set()
    controllers()
    join(admin, "late")
    until(lambda: len(set(ranges())) == 7)
    assert {name: admin.get(Node, name).spec.pod_cidr for name in first} == first, "a new start changes nothing"


class Beats(threading.Thread):
    """A node's agent: renews the lease, as often as is usual for the test's short grace."""

    def __init__(self, admin: Client, name: str) -> None:
        super().__init__(name=f"beats-{name}")
        self._admin, self._node = admin, name
        self._ending = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ending.wait(0.05):
            try:
                self._beat()
            except Unreachable:
                continue

    def _beat(self) -> None:
        try:
            lease = self._admin.get(Lease, self._node, LEASES)
        except NotFound:
            self._admin.create(Lease(metadata=ObjectMeta(name=self._node, namespace=LEASES)))
            return
        lease.spec.renew_time = now_micro()
        self._admin.update(lease)

    def end(self) -> None:
        self._ending.set()
        self.join(10)


def ready_of(admin: Client, name: str) -> tuple[str, str]:
    found = next(item for item in admin.get(Node, name).status.conditions if item.type == "Ready")
    return found.status, found.reason


def events(admin: Client) -> set[tuple[str, str, str, str, str]]:
    found = admin.list(Event).items
    return {(one.involved_object.kind, one.involved_object.name, one.type, one.reason, one.message) for one in found}


def test_who_comes_and_goes_is_told(admin: Client, controllers: Start) -> None:
    join(admin, "guest")
    controllers(node_monitor_period_s=0.1)
    came = ("Node", "guest", "Normal", "RegisteredNode", "Node guest event: Registered Node guest in Controller")
    until(lambda: came in events(admin))
    admin.delete(Node, "guest")
    went = ("Node", "guest", "Normal", "RemovingNode", "Node guest event: Removing Node guest from Controller")
    until(lambda: went in events(admin))


def test_a_silent_node_becomes_unknown_and_its_pods_leave_their_services(
    admin: Client, namespace: str, controllers: Start
) -> None:
    for name in ("loud", "silent"):
        join(admin, name)
    loud, silent = Beats(admin, "loud"), Beats(admin, "silent")
    try:
        controllers(node_monitor_period_s=0.1, node_monitor_grace_period_s=1.5)
        admin.create(service(namespace=namespace))
        backend(admin, "a", namespace, "10.0.0.1", on="loud")
        backend(admin, "b", namespace, "10.0.0.2", on="silent")
        until(lambda: addresses(admin, namespace) == (["10.0.0.1", "10.0.0.2"], []))
        silent.end()
        fell_silent = time.monotonic()
        until(lambda: ready_of(admin, "silent") == ("Unknown", "NodeStatusUnknown"))
        assert time.monotonic() - fell_silent > 1
        until(lambda: addresses(admin, namespace) == (["10.0.0.1"], ["10.0.0.2"]))
        assert ready_of(admin, "loud")[0] == "True"
        told = ("Pod", "b", "Warning", "NodeNotReady", "Node is not ready")
        until(lambda: told in events(admin))
        assert not {one[1] for one in events(admin) if one[3] == "NodeNotReady"} & {"a", "loud"}
        types = [item.type for item in admin.get(Node, "silent").status.conditions if item.status == "Unknown"]
        assert sorted(types) == ["DiskPressure", "MemoryPressure", "PIDPressure", "Ready"]
    finally:
        loud.end()
        silent.end()


def test_a_node_is_asked_about_before_it_is_called_silent(admin: Client, master: Master) -> None:
    """Its heartbeats arrive, but the watches that should show them hang."""
    join(admin, "loud")
    client = master.client("controller-manager")
    recorder, informers = EventRecorder(client, "test"), Informers(client)
    for informer in (informers.nodes, informers.leases):
        informer._take = lambda _type, _item: None  # type: ignore[method-assign]
    config = Config(node_monitor_period_s=0.05, node_monitor_grace_period_s=1)
    controller = NodeController(client, informers, recorder, config, Attention(60))
    loud = Beats(admin, "loud")
    informers.start()
    try:
        assert informers.wait_synced(threading.Event())
        controller.start()
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 3 or ready_of(admin, "loud")[0] != "True")
        assert ready_of(admin, "loud")[0] == "True"
        loud.end()
        until(lambda: ready_of(admin, "loud")[0] == "Unknown")
    finally:
        loud.end()
        controller.stop()
        informers.stop()
        recorder.close()
        client.close()


@pytest.mark.parametrize("away", ["the master", "this process"])
def test_who_could_not_hear_gives_each_node_its_grace_again(
    admin: Client, master: Master, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    join(admin, "quiet")
    monkeypatch.setattr(Informer, "following", True)
    moment = [0.0]
    client = master.client("controller-manager")
    recorder, informers = EventRecorder(client, "test"), Informers(client)
    attention = Attention(60, lambda: moment[0])
    controller = NodeController(client, informers, recorder, Config(), attention)
    controller._heartbeats, controller._asked = Heartbeats(lambda: moment[0]), Heartbeats(lambda: moment[0])
    informers.nodes._list()

    def look(after_s: float) -> str:
        moment[0] += after_s
        controller._look()
        return ready_of(admin, "quiet")[0]

    def no_answer(*_: object) -> None:
        raise Unreachable("no answer")

    try:
        assert look(0) == "True"
        if away == "the master":
            with monkeypatch.context() as broken:
                broken.setattr(controller, "_live_lease", no_answer)
                assert look(50) == "True"
        else:
            assert look(70) == "True"
        assert look(5) == "True"
        assert look(35) == "True"
        assert look(6) == "Unknown"
    finally:
        recorder.close()
        client.close()


def test_nobody_is_called_silent_for_the_masters_absence(
    admin: Client, namespace: str, controllers: Start, master: Master
) -> None:
    join(admin, "loud")
    loud = Beats(admin, "loud")
    try:
        controllers(node_monitor_period_s=0.05, node_monitor_grace_period_s=1)
        admin.create(service(namespace=namespace))
        backend(admin, "a", namespace, "10.0.0.1", on="loud")
        until(lambda: addresses(admin, namespace) == (["10.0.0.1"], []))
        master.fall()
        away = time.monotonic()
        until(lambda: time.monotonic() - away > 2)
        master.rise()
        back = time.monotonic()
        seen: set[tuple[str, str]] = set()

        def looked() -> bool:
            seen.add((ready_of(admin, "loud")[0], addresses(admin, namespace)[0][0]))
            return time.monotonic() - back > 2

        until(looked)
        assert seen == {("True", "10.0.0.1")}
    finally:
        loud.end()

"""Addresses of services of type LoadBalancer: the pool purely, and the controller beside a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.core import Event, LoadBalancerIngress, Service
from api.pools import Pool, is_for_hosts
from client import Client, EventRecorder
from master.controllers.config import Config
from master.controllers.informers import Informers
from master.controllers.loadbalancers import ServiceController
from tests.controllers.conftest import Start
from tests.controllers.live import LIMIT_S, Master
from tests.controllers.made import service
from tests.e2e.waiting import until


@pytest.mark.parametrize(
    ("ranges", "addresses"),
    [
        ((), []),
        (("192.0.2.7",), ["192.0.2.7"]),
        (("192.0.2.8/30",), ["192.0.2.9", "192.0.2.10"]),
        (("192.0.2.8/31",), ["192.0.2.8", "192.0.2.9"]),
        (("192.0.2.8/32",), ["192.0.2.8"]),
        (
            ("192.0.2.254 - 192.0.3.1", "192.0.2.1"),
            ["192.0.2.254", "192.0.2.255", "192.0.3.0", "192.0.3.1", "192.0.2.1"],
        ),
    ],
)
def test_a_pool_gives_its_addresses_in_order(ranges: tuple[str, ...], addresses: list[str]) -> None:
    pool, given = Pool(ranges), list[str]()
    while (address := pool.free(given)) is not None:
        given.append(address)
    assert given == addresses
    assert all(address in pool for address in addresses)
    assert "192.0.2.100" not in pool
    assert bool(pool) is bool(addresses)


@pytest.mark.parametrize("text", ["", "x", "10.0.0.0/33", "10.0.0.1/24", "10.0.0.9-10.0.0.1", "10.0.0.0/8", "::1"])
def test_what_is_no_range_is_refused(text: str) -> None:
    assert [said for said in Config(load_balancer_pool=(text,)).check() if said.startswith("load-balancer-pool: ")]


def test_some_addresses_are_not_for_hosts() -> None:
    refused = ("127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "web")
    assert [text for text in refused if is_for_hosts(text)] == []
    assert is_for_hosts("146.148.47.155")


@pytest.fixture
def namespace(admin: Client, namespace: str) -> Iterator[str]:
    """Its services go with the test: they would have addresses of the next one's pool."""
    yield namespace
    for item in admin.list(Service, namespace).items:
        admin.delete(Service, item.metadata.name, namespace)


def balancer(name: str, namespace: str, **spec: Any) -> Service:
    return service(name=name, namespace=namespace, type="LoadBalancer", **spec)


def address(admin: Client, name: str, namespace: str) -> list[str]:
    return [one.ip for one in admin.get(Service, name, namespace).status.load_balancer.ingress]


def reasons(admin: Client, name: str, namespace: str) -> set[str]:
    return {one.reason for one in admin.list(Event, namespace).items if one.involved_object.name == name}


def test_the_address_that_was_asked_for_is_given_without_a_pool(
    admin: Client, namespace: str, controllers: Start
) -> None:
    """As in the example that everybody knows: 146.148.47.155."""
    controllers()
    admin.create(balancer("my-service", namespace, loadBalancerIP="146.148.47.155"))
    admin.create(balancer("none", namespace))
    admin.create(balancer("second", namespace, loadBalancerIP="146.148.47.155"))
    admin.create(balancer("odd", namespace, loadBalancerIP="127.0.0.1"))
    admin.create(balancer("others", namespace, loadBalancerIP="146.148.47.156", loadBalancerClass="example.com/other"))
    until(lambda: address(admin, "my-service", namespace) == ["146.148.47.155"])
    for name in ("second", "odd"):
        until(lambda name=name: "SyncLoadBalancerFailed" in reasons(admin, name, namespace))  # type: ignore[misc]
    assert [address(admin, name, namespace) for name in ("none", "second", "odd", "others")] == [[], [], [], []]
    admin.delete(Service, "my-service", namespace)
    until(lambda: address(admin, "second", namespace) == ["146.148.47.155"])


def test_a_pool_is_given_out_taken_back_and_given_out_again(admin: Client, namespace: str, controllers: Start) -> None:
    stop = controllers(load_balancer_pool=("192.0.2.10-192.0.2.12",))
    names = ["a", "b", "c", "d"]
    for name in names:
        admin.create(balancer(name, namespace))
    until(lambda: sum(bool(address(admin, name, namespace)) for name in names) == 3)
    (late,) = (name for name in names if not address(admin, name, namespace))
    until(lambda: "SyncLoadBalancerFailed" in reasons(admin, late, namespace))
    had = {name: address(admin, name, namespace) for name in names if name != late}
    assert sorted(one for found in had.values() for one in found) == ["192.0.2.10", "192.0.2.11", "192.0.2.12"]
    stop.set()
    controllers(load_balancer_pool=("192.0.2.10-192.0.2.12",))
    first, second, _ = had
    admin.patch(Service, first, namespace, {"spec": {"type": "ClusterIP"}}, form="merge")
    until(lambda: address(admin, late, namespace) == had[first])
    assert address(admin, first, namespace) == []
    assert address(admin, second, namespace) == had[second], "a restart takes nothing from anybody"
    asked = {"spec": {"loadBalancerIP": "192.0.2.77"}}
    admin.patch(Service, second, namespace, asked, form="merge")
    until(lambda: address(admin, second, namespace) == ["192.0.2.77"])


def test_an_address_given_back_while_another_service_looks_for_one_is_not_missed(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = master.client("controller-manager")
    informers, recorder = Informers(client), EventRecorder(client, "test")
    pool = Pool(("192.0.2.10-192.0.2.10",))
    controller = ServiceController(client, informers, recorder, pool)
    holder, late = (balancer(name, "default") for name in ("holder", "late"))
    holder.status.load_balancer.ingress = [LoadBalancerIngress(ip="192.0.2.10")]
    for one in (holder, late):
        informers.services._take("ADDED", one)
    free = pool.free

    def free_too_late(taken: set[str]) -> str | None:
        informers.services._take("DELETED", holder)
        return free(taken)

    monkeypatch.setattr(pool, "free", free_too_late)
    queue = controller.loop.queue
    try:
        for name in ("holder", "late"):
            assert queue.get(timeout_s=LIMIT_S) == ("default", name)
        controller.reconcile(("default", "late"))
        for name in ("holder", "late"):
            queue.done(("default", name))
        assert [queue.get(timeout_s=LIMIT_S) for _ in range(2)] == [("default", "holder"), ("default", "late")]
    finally:
        recorder.close()
        client.close()


def test_of_two_with_one_address_the_older_keeps_it(admin: Client, namespace: str, controllers: Start) -> None:
    """As after a crash, or a restore of half the state."""
    for name in ("first", "second"):
        admin.create(balancer(name, namespace))
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.20"}]}}}
        admin.patch(Service, name, namespace, status, subresource="status", form="merge")
    both = sorted(
        (admin.get(Service, name, namespace) for name in ("first", "second")),
        key=lambda one: (str(one.metadata.creation_timestamp), one.metadata.uid),
    )
    controllers(load_balancer_pool=("192.0.2.20-192.0.2.21",))
    until(lambda: address(admin, both[1].metadata.name, namespace) == ["192.0.2.21"])
    assert address(admin, both[0].metadata.name, namespace) == ["192.0.2.20"]

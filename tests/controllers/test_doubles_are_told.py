"""Numbers that two services have: the API server gives none twice, but state from elsewhere may hold some."""

from collections.abc import Iterator

import pytest

from api.core import Event, Service
from api.pools import Pool
from client import Client, EventRecorder
from master.controllers.informers import Informers
from master.controllers.loadbalancers import ServiceController
from tests.controllers.made import service
from tests.e2e.waiting import until

CLASH = "Cluster IP [IPv4]: 10.96.0.7 was assigned to multiple services; please recreate service"
PORT_CLASH = "Port 30007 was assigned to multiple services; please recreate service"


def given(name: str, namespace: str, address: str, node_port: int) -> Service:
    found = service({"port": 80, "nodePort": node_port}, name=name, namespace=namespace, clusterIP=address)
    found.metadata.uid = name
    return found


@pytest.fixture
def recorder(admin: Client) -> Iterator[EventRecorder]:
    made = EventRecorder(admin, "service-controller")
    yield made
    made.close()


def test_both_of_two_services_with_one_address_or_port_are_told_once(
    admin: Client, namespace: str, recorder: EventRecorder
) -> None:
    informers = Informers(admin)
    found = [
        given("same-address", namespace, "10.96.0.7", 30001),
        given("same-both", namespace, "10.96.0.7", 30007),
        given("same-port", namespace, "10.96.0.8", 30007),
        given("alone", namespace, "10.96.0.9", 30009),
        given("headless", namespace, "None", 30010),
        given("headless-too", namespace, "None", 30011),
    ]
    for one in found:
        informers.services._replace((namespace, one.metadata.name), None, one)
    controller = ServiceController(admin, informers, recorder, Pool(()))
    for one in (*found, *found):
        controller.reconcile((namespace, one.metadata.name))

    def told() -> set[tuple[str, str, str, int]]:
        events = admin.list(Event, namespace).items
        return {(event.involved_object.name, event.reason, event.message, event.count) for event in events}

    address, port = ("ClusterIPAlreadyAllocated", CLASH, 1), ("PortAlreadyAllocated", PORT_CLASH, 1)
    wanted = {("same-address", *address), ("same-both", *address), ("same-both", *port), ("same-port", *port)}
    until(lambda: told() >= wanted)
    assert told() == wanted

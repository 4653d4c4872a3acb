"""Addresses and node ports, given out by several masters at once, and what crashes leave of them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from master.apiserver.claims import PREFIX, SharedNumbers
from tests.apiserver.tests_apiserver import Api, Running
from tests.e2e.waiting import until
from tests.store.etcd_members import Members

SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture
def pair(masters: Callable[..., list[Running]], etcd: Members) -> list[Running]:
    # A small range, so that two masters do meet.
    return masters(etcd, service_cluster_ip_range="10.96.0.0/24", service_node_port_range="30000-30249")


@pytest.fixture
def both(pair: list[Running], admin: Callable[[str], Api]) -> list[Api]:
    return [admin(one.url) for one in pair]


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80}], **spec}}


def claims(master: Running) -> dict[str, str]:
    async def load() -> dict[str, str]:
        return {record.key: record.value.decode() for record in master.api._store.load(PREFIX)}

    found: dict[str, str] = master.do(load())
    return found


def numbers(api: Api) -> set[str]:
    """The keys of the claims that the services ask for."""
    keys = set()
    for one in api.get(SERVICES).json["items"]:
        keys |= {f"{PREFIX}clusterips/{one['spec']['clusterIP']}"}
        keys |= {f"{PREFIX}nodeports/{port['nodePort']}" for port in one["spec"]["ports"] if "nodePort" in port}
        if "healthCheckNodePort" in one["spec"]:
            keys.add(f"{PREFIX}nodeports/{one['spec']['healthCheckNodePort']}")
    return keys


def test_200_services_made_at_once_share_nothing_and_leave_nothing(pair: list[Running], both: list[Api]) -> None:
    with ThreadPoolExecutor(32) as pool:
        made = list(pool.map(lambda n: both[n % 2].post(SERVICES, service(f"s{n}")), range(200)))
    assert [one.status for one in made] == [201] * 200
    assert len({one.json["spec"]["clusterIP"] for one in made}) == 200
    assert len({one.json["spec"]["ports"][0]["nodePort"] for one in made}) == 200
    until(lambda: numbers(both[0]) == numbers(both[1]) == set(claims(pair[0])))
    with ThreadPoolExecutor(32) as pool:
        gone = list(pool.map(lambda n: both[(n + 1) % 2].delete(f"{SERVICES}/s{n}").status, range(200)))
    assert gone == [200] * 200
    until(lambda: set(claims(pair[0])) == {f"{PREFIX}clusterips/10.96.0.1"})


def test_health_check_ports_are_claimed_with_the_node_ports(pair: list[Running], both: list[Api]) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda n: both[n % 2].post(SERVICES, service(f"b{n}", **local)), range(60)))
    assert [one.status for one in made] == [201] * 60
    ports = [one.json["spec"]["healthCheckNodePort"] for one in made]
    ports += [one.json["spec"]["ports"][0]["nodePort"] for one in made]
    assert len(set(ports)) == 120
    until(lambda: numbers(both[0]) == numbers(both[1]) == set(claims(pair[0])))
    for n in range(60):
        both[n % 2].patch(f"{SERVICES}/b{n}", {"spec": {"externalTrafficPolicy": "Cluster"}})
    until(lambda: numbers(both[0]) == set(claims(pair[0])) == set(claims(pair[1])))
    assert len(claims(pair[0])) == 60 * 2 + 1


def test_of_two_that_ask_for_the_same_number_one_gets_it(pair: list[Running], both: list[Api]) -> None:
    for n in range(10):
        asked = {"clusterIP": f"10.96.0.{100 + n}", "ports": [{"port": 80, "nodePort": 30100 + n}]}
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda api: api.post(SERVICES, service(f"s{api.url[-5:]}-{n}", **asked)), both))  # noqa: B023
        assert sorted(one.status for one in answers) == [201, 422]
        (refused,) = (one.json for one in answers if one.status == 422)
        assert "already allocated" in refused["message"]


def test_a_write_that_failed_frees_its_numbers(pair: list[Running], both: list[Api]) -> None:
    assert both[0].post(SERVICES, service("s")).status == 201
    for n in range(20):
        assert both[n % 2].post(SERVICES, service("s")).status == 409
    until(lambda: set(claims(pair[0])) == numbers(both[0]))


def test_a_changed_service_frees_the_ports_it_had(pair: list[Running], both: list[Api]) -> None:
    made = both[0].post(SERVICES, service("s")).json
    port = made["spec"]["ports"][0]["nodePort"]
    one, two = both
    for _ in range(5):
        changed = two.patch(f"{SERVICES}/s", {"spec": {"type": "ClusterIP"}})
        assert changed.status == 200, changed.data
        version = changed.json["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}}
        body |= {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}}
        again = one.patch(f"{SERVICES}/s", body)
        assert again.status == 200, again.data
        until(lambda: two.get(f"{SERVICES}/s").json["spec"]["type"] == "NodePort")
    until(lambda: set(claims(pair[0])) == numbers(one))


def test_a_claim_without_a_service_ends_after_a_while(pair: list[Running], both: list[Api]) -> None:
    shared = pair[0].api._backend.claims
    assert isinstance(shared, SharedNumbers)
    key = f"{PREFIX}nodeports/30007"

    async def claim_of_a_master_that_died() -> None:
        await pair[1].api._store.create(key, b"uid-of-nobody")

    pair[1].do(claim_of_a_master_that_died())
    until(lambda: key in claims(pair[0]))
    taken = both[0].post(SERVICES, service("s", ports=[{"port": 80, "nodePort": 30007}]))
    assert taken.status == 422
    now = time.monotonic()
    pair[0].do(shared.repair(now))
    pair[0].do(shared.repair(now + 299))
    assert key in claims(pair[0])
    pair[0].do(shared.repair(now + 301))
    assert key not in claims(pair[0])
    assert both[0].post(SERVICES, service("s", ports=[{"port": 80, "nodePort": 30007}])).status == 201


def test_services_of_a_restored_store_get_their_claims_at_the_start(
    pair: list[Running], both: list[Api], masters: Callable[..., list[Running]], etcd: Members
) -> None:
    assert both[0].post(SERVICES, service("s")).status == 201

    async def lose_the_claims() -> None:
        store = pair[0].api._store
        for record in store.load(PREFIX):
            await store.delete(record.key, expected=None)

    pair[0].do(lose_the_claims())
    assert claims(pair[0]) == {}
    (third,) = masters(etcd, 1, etcd_prefix=pair[0].config.etcd_prefix)
    assert set(claims(third)) == numbers(both[0])

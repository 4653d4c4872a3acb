"""A quota holds for all masters together: of two clients at two masters and one last slot exactly one wins."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.apiserver.tests_apiserver import Answer, Api, Running
from tests.e2e.waiting import until
from tests.store.etcd_members import Members


@pytest.fixture
def pair(masters: Callable[..., list[Running]], etcd: Members) -> list[Running]:
    return masters(etcd)


@pytest.fixture
def both(pair: list[Running], admin: Callable[[str], Api]) -> list[Api]:
    return [admin(one.url) for one in pair]


NAMESPACE = "/api/v1/namespaces/default"
QUOTA = f"{NAMESPACE}/resourcequotas/q"


def limit(both: list[Api], **hard: str) -> None:
    """To be called once; known to both masters when it returns."""
    spec = {"hard": {name.replace("_", "/"): amount for name, amount in hard.items()}}
    made = both[0].post(f"{NAMESPACE}/resourcequotas", {"metadata": {"name": "q"}, "spec": spec})
    assert made.status == 201, made.data
    for api in both:
        until(lambda api=api: api.get(QUOTA).json.get("status", {}).get("used"))  # type: ignore[misc]


def used(api: Api) -> dict[str, str]:
    found: dict[str, str] = api.get(QUOTA).json["status"]["used"]
    return found


def make(api: Api, name: str) -> Answer:
    return api.post(f"{NAMESPACE}/configmaps", {"metadata": {"name": name}})


def ledger(master: Running) -> bytes:
    async def read() -> bytes:
        record = master.api._store.get("/quotas/default")
        return b"" if record is None else record.value

    found: bytes = master.do(read())
    return found


def test_of_two_clients_at_two_masters_and_one_last_slot_exactly_one_wins(pair: list[Running], both: list[Api]) -> None:
    there = len(both[0].get(f"{NAMESPACE}/configmaps").json["items"])
    for n in range(30):
        hard = {"hard": {"count/configmaps": str(there + n + 1)}}
        if n == 0:
            limit(both, count_configmaps=str(there + 1))
        else:
            version = both[0].patch(QUOTA, {"spec": hard}).json["metadata"]["resourceVersion"]
            assert both[1].get(f"{QUOTA}?resourceVersion={version}").status == 200
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda api: make(api, f"c{n}-{both.index(api)}"), both))  # noqa: B023
        assert sorted(answer.status for answer in answers) == [201, 403], n
    for api in both:
        until(lambda api=api: used(api) == {"count/configmaps": str(there + 30)})  # type: ignore[misc]
    assert until(lambda: not ledger(pair[0])), "nothing of it stays"


def test_a_crowd_fills_a_quota_to_the_last_slot_and_no_further(both: list[Api]) -> None:
    limit(both, count_secrets="25")
    there = int(used(both[0])["count/secrets"])

    def one(n: int) -> int:
        body = {"metadata": {"name": f"s{n}"}}
        return both[n % 2].post(f"{NAMESPACE}/secrets", body).status

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(80)))
    assert answers.count(201) == 25 - there
    assert answers.count(403) == 80 - answers.count(201)
    assert both[1].delete(f"{NAMESPACE}/secrets/{_first(both[0])}").status == 200
    until(lambda: both[0].post(f"{NAMESPACE}/secrets", {"metadata": {"name": "again"}}).status == 201)
    assert both[1].post(f"{NAMESPACE}/secrets", {"metadata": {"name": "more"}}).status == 403


def _first(api: Api) -> str:
    name: str = api.get(f"{NAMESPACE}/secrets").json["items"][0]["metadata"]["name"]
    return name


def test_a_write_that_changes_an_object_is_counted_too(both: list[Api]) -> None:
    limit(both, **{"services.nodeports": "1"})
    services = f"{NAMESPACE}/services"
    for name in ("a", "b"):
        assert both[0].post(services, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}).status == 201
    version = both[0].get(f"{services}/b").json["metadata"]["resourceVersion"]
    assert both[1].get(f"{services}/b?resourceVersion={version}").status == 200
    change: dict[str, Any] = {"spec": {"type": "NodePort"}}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda n: both[n].patch(f"{services}/{'ab'[n]}", change).status, range(2)))
    assert sorted(answers) == [200, 403]


def test_a_write_that_fails_frees_its_slot_at_every_master(both: list[Api]) -> None:
    there = len(both[0].get(f"{NAMESPACE}/configmaps").json["items"])
    limit(both, count_configmaps=str(there + 2))
    assert make(both[0], "taken").status == 201
    with ThreadPoolExecutor(8) as pool:
        # Found to be there only by the store: neither master has seen the other's yet.
        answers = list(pool.map(lambda n: make(both[n % 2], "same").status, range(8)))
    assert answers.count(201) == 1
    assert both[0].delete(f"{NAMESPACE}/configmaps/taken").status == 200
    until(lambda: make(both[1], "other").status == 201)


def test_what_a_crash_left_in_the_ledger_counts_for_a_while_only(pair: list[Running], both: list[Api]) -> None:
    there = len(both[0].get(f"{NAMESPACE}/configmaps").json["items"])
    limit(both, count_configmaps=str(there + 1))
    entry = {"id": "x", "key": "/configmaps/default/never", "uid": "u", "usage": {"q": {"count/configmaps": "1"}}}

    async def write(at: float) -> None:
        store = pair[0].api._store
        await store.create("/quotas/default", json.dumps([{**entry, "at": at}]).encode())

    pair[0].do(write(time.time()))
    assert make(both[1], "late").status == 403
    record = pair[0].api._store
    pair[0].do(record.delete("/quotas/default", expected=None))
    pair[0].do(write(time.time() - 3600))
    assert make(both[1], "late").status == 201

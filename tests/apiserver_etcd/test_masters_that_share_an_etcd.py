"""Several apiservers over one etcd are one API: what a client saw at one it finds at the others."""

import asyncio
import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.core import Pod
from api.errors import Timeout
from api.resources import resource_of
from master.apiserver.config import Config
from master.apiserver.registry import refused
from master.store.contract import OutcomeUnknown
from tests.apiserver.tests_apiserver import Api, Running
from tests.apiserver_etcd.conftest import version
from tests.e2e.waiting import until
from tests.store.etcd_members import Members

MAPS = "/api/v1/namespaces/default/configmaps"
Masters = Callable[..., list[Running]]
Admin = Callable[[str], Api]


@pytest.fixture
def both(masters: Masters, admin: Admin, etcd: Members) -> list[Api]:
    return [admin(one.url) for one in masters(etcd)]


def named(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}}


def test_what_one_master_made_is_read_at_the_other_by_its_version(both: list[Api]) -> None:
    one, two = both
    for n in range(30):
        made = one.post(MAPS, named(f"m{n}"))
        assert made.status == 201, made.data
        # Without a version it may come a moment later; with the version of what was seen it is there.
        assert two.get(f"{MAPS}/m{n}?resourceVersion={version(made)}").status == 200
        listing = two.get(f"{MAPS}?resourceVersion={version(made)}&resourceVersionMatch=NotOlderThan")
        assert f"m{n}" in [item["metadata"]["name"] for item in listing.json["items"]]


def test_an_update_on_top_of_the_others_write_is_no_conflict(both: list[Api]) -> None:
    one, two = both
    for n in range(30):
        path = f"{MAPS}/m{n}"
        seen = one.post(MAPS, named(f"m{n}")).json
        put = two.put(path, seen | {"data": {"by": "put"}})
        assert put.status == 200, put.data
        metadata = {"metadata": {"resourceVersion": put.json["metadata"]["resourceVersion"]}}
        patched = one.patch(path, metadata | {"data": {"by": "patch"}}, "merge")
        assert patched.status == 200, patched.data
        precondition = {"preconditions": {"resourceVersion": patched.json["metadata"]["resourceVersion"]}}
        gone = two.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", **precondition})
        assert gone.status == 200, gone.data


def test_an_older_version_is_a_conflict_at_every_master(both: list[Api]) -> None:
    one, two = both
    seen = one.post(MAPS, named("m")).json
    assert two.put(f"{MAPS}/m", seen | {"data": {"by": "two"}}).status == 200
    assert one.put(f"{MAPS}/m", seen | {"data": {"by": "one"}}).status == 409


def test_a_version_that_never_comes_is_a_timeout_after_a_while(both: list[Api]) -> None:
    ahead = version(both[0].post(MAPS, named("m"))) + 1_000_000
    with ThreadPoolExecutor() as pool:
        paths = (f"{MAPS}/m?resourceVersion={ahead}", f"{MAPS}?resourceVersion={ahead}&watch=1")
        for answer in pool.map(both[0].get, paths):
            assert (answer.status, answer.json["reason"]) == (504, "Timeout")
            assert "Too large resource version" in answer.json["message"]
            assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_watches_of_all_masters_tell_the_same_in_the_same_order(both: list[Api]) -> None:
    start = version(both[0].get(MAPS))
    watches = [api.watch(f"{MAPS}?watch=1&resourceVersion={start}") for api in both]
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda n: both[n % 2].post(MAPS, named(f"m{n}")).status, range(60)))
    assert made == [201] * 60
    heard = [[one.next()["object"]["metadata"] for _ in range(60)] for one in watches]
    told = [[(one["name"], one["resourceVersion"]) for one in events] for events in heard]
    assert told[0] == told[1]
    assert [int(one[1]) for one in told[0]] == sorted(int(one[1]) for one in told[0])


def test_generated_names_are_unique_across_masters(both: list[Api]) -> None:
    body = {"metadata": {"generateName": "m-"}}
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda n: both[n % 2].post(MAPS, body).json["metadata"]["name"], range(100)))
    assert len(set(made)) == 100


def test_kill_9_of_one_master_loses_nothing(process: Any, admin: Admin, etcd: Members) -> None:
    prefix = "/test-killed-master"
    first, second = process(etcd, prefix), process(etcd, prefix)
    one, two = admin(first.url), admin(second.url)
    first.wait(one)
    second.wait(two)
    acknowledged = []

    def write(n: int) -> None:
        if n == 60:
            first.kill()
        if one.post(MAPS, named(f"m{n}")).status == 201:
            acknowledged.append(f"m{n}")

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(write, n) for n in range(100)]
    assert any(result.exception() for result in results)
    assert len(acknowledged) >= 50
    names = {item["metadata"]["name"] for item in two.get(MAPS).json["items"]}
    assert set(acknowledged) <= names
    assert two.post(MAPS, named("after")).status == 201


def test_a_lost_member_under_load_is_no_error_to_a_client(masters: Masters, admin: Admin, three: Members) -> None:
    running = masters(three)
    apis = [admin(one.url) for one in running]
    start = version(apis[0].get(MAPS))
    watch = apis[1].watch(f"{MAPS}?watch=1&resourceVersion={start}")

    def write(n: int) -> int:
        if n == 40:
            three.members[0].kill()  # the one that both talk to
        return apis[n % 2].post(MAPS, named(f"m{n}")).status

    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(write, range(200))) == [201] * 200
        assert len({watch.next()["object"]["metadata"]["name"] for _ in range(200)}) == 200
        assert [api.get("/readyz").status for api in apis] == [200, 200]
    finally:
        three.members[0].start()
        three.wait()


def test_a_master_whose_etcd_is_wiped_says_so_and_ends(masters: Masters, admin: Admin, etcd: Members) -> None:
    (one,) = masters(etcd, 1)
    api, ended = admin(one.url), []

    async def wait() -> None:
        await one.api.broken()
        ended.append(True)

    asyncio.run_coroutine_threadsafe(wait(), one.loop)
    key = f"{one.config.etcd_prefix}/\0marker"
    body = {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(b"{}").decode()}
    etcd.members[0].post("/v3/kv/put", json.dumps(body).encode())
    until(lambda: ended)
    told = api.get("/livez/etcd")
    assert told.status == 500
    assert b"marker" in told.data


def test_an_unknown_outcome_is_kubernetes_timeout() -> None:
    error = refused(OutcomeUnknown("etcd did not tell"), resource_of(Pod), "p")
    assert isinstance(error, Timeout)
    assert (error.status().code, error.status().reason) == (504, "Timeout")
    assert error.message.startswith("Timeout: request did not complete within requested timeout")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"etcd_servers": ("127.0.0.1:2379",)}, "etcd_servers: '127.0.0.1:2379' is not of the form https://host:port"),
        ({"etcd_servers": ("http://a:1", "https://b:1")}, "etcd_servers: must be all http or all https"),
        ({"etcd_servers": ("http://a:1",), "etcd_prefix": "registry"}, "etcd_prefix: must start with /"),
        ({"etcd_cafile": Path("/ca.crt")}, "etcd_cafile: needs etcd_servers"),
        ({"etcd_servers": ("https://a:1",), "etcd_certfile": Path("/c")}, "etcd_certfile: needs etcd_keyfile"),
        ({"etcd_servers": ("http://a:1",), "etcd_cafile": Path("/c")}, "etcd_cafile: is of no use"),
    ],
)
def test_settings_of_etcd_say_what_is_wrong(settings: dict[str, Any], problem: str) -> None:
    assert [one for one in Config(**settings).check() if one.startswith(problem)]

"""The service ``kubernetes`` leads to the masters that are alive."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from api.errors import Conflict
from tests.apiserver.tests_apiserver import Api, Running
from tests.e2e.waiting import until
from tests.store.etcd_members import Members

ENDPOINTS = "/api/v1/namespaces/default/endpoints/kubernetes"


def ports(api: Api) -> list[int]:
    subsets: list[Any] = api.get(ENDPOINTS).json.get("subsets", [])
    return [subset["ports"][0]["port"] for subset in subsets]


def test_a_master_that_comes_is_added_and_one_that_ends_is_taken_out(
    masters: Callable[..., list[Running]], admin: Callable[[str], Api], etcd: Members
) -> None:
    one, two = masters(etcd)
    api = admin(one.url)
    until(lambda: ports(api) == sorted([one.api.port, two.api.port]))
    left = two.api.port
    two.do(two.api.stop())
    until(lambda: ports(api) == [one.api.port])
    assert left != one.api.port


def test_a_master_that_is_silent_is_taken_out_after_a_while(
    masters: Callable[..., list[Running]], admin: Callable[[str], Api], etcd: Members
) -> None:
    (one,) = masters(etcd, 1)
    api, watcher = admin(one.url), one.api.masters
    assert watcher is not None

    async def lease_of_a_master_that_died() -> None:
        await one.api._store.create("/masterleases/127.0.0.9:6443", b"{}")

    one.do(lease_of_a_master_that_died())
    until(lambda: ports(api) == sorted([one.api.port, 6443]))
    with suppress(Conflict):  # its own round, woken by what this one does, may be quicker
        one.do(watcher.look(time.monotonic() + 31))
    until(lambda: ports(api) == [one.api.port])

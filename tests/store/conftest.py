"""Backends for the contract tests, and coroutine tests on a loop of their own."""

import asyncio
import inspect
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from master.store.contract import Store
from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from master.store.sqlite import SqliteOptions, SqliteStore
from tests.store.etcd_members import Members

# Apart from what the longest of them is asked to take.
TEST_LIMIT_S = 60 + float(os.environ.get("STEERSMAN_HEARTBEAT_S", "0"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests to their end, within a limit."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    stores: Any = pyfuncitem.funcargs.get("stores", [])

    async def run() -> None:
        try:
            await asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_LIMIT_S)
        finally:
            for store in stores:
                await store.close()

    asyncio.run(run())
    return True


@pytest.fixture
def stores() -> list[Store]:
    """The stores that a test opened by `open_store`; closed when it ends, however it ends."""
    return []


@pytest.fixture
def open_store(stores: list[Store]) -> Callable[..., Awaitable[SqliteStore]]:
    """Open the embedded store of a path."""

    async def open_one(path: Path, **bounds: Any) -> SqliteStore:
        store = SqliteStore(SqliteOptions(path=path, **bounds))
        await store.open()
        stores.append(store)
        return store

    return open_one


@dataclass(frozen=True)
class Backend:
    """One kind of store over one set of data: each `make` is the next process on the same data."""

    make: Callable[..., Store]
    # How many examples its model test affords: every write of etcd is a transaction of its own.
    examples: int = 40
    # Others take revisions of the same counter, so that it does not begin at 0.
    shared_counter: bool = False
    # Calls for different keys, made in one turn, get revisions in the order of the calls.
    calls_in_order: bool = True

    def opened(self, **bounds: Any) -> AbstractAsyncContextManager[Store]:
        return _opened(self.make(**bounds))


@asynccontextmanager
async def _opened(store: Store) -> AsyncIterator[Store]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """One etcd for all tests of this process; each test has a prefix of its own."""
    with Members(tmp_path_factory.mktemp("etcd")) as members:
        yield members


def new_prefix() -> str:
    return f"/test-{uuid.uuid4()}"


def _sqlite(request: pytest.FixtureRequest) -> Callable[[Path], Backend]:
    return lambda folder: Backend(lambda **bounds: SqliteStore(SqliteOptions(path=folder / "state.db", **bounds)))


def _etcd(request: pytest.FixtureRequest) -> Callable[[Path], Backend]:
    endpoints = request.getfixturevalue("etcd").endpoints

    def backend(_: Path) -> Backend:
        prefix = new_prefix()
        return Backend(
            lambda **bounds: EtcdStore(EtcdOptions(endpoints=endpoints, prefix=prefix, **bounds)),
            examples=30,
            shared_counter=True,
            calls_in_order=False,
        )

    return backend


BACKENDS = {"sqlite": _sqlite, "etcd": _etcd}


@pytest.fixture(params=sorted(BACKENDS))
def new_backend(request: pytest.FixtureRequest) -> Callable[[Path], Backend]:
    return BACKENDS[request.param](request)


@pytest.fixture
def backend(new_backend: Callable[[Path], Backend], tmp_path: Path) -> Backend:
    return new_backend(tmp_path)

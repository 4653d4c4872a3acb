"""Backends for the contract tests, and coroutine tests on a loop of their own."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from master.store.contract import Store
from master.store.sqlite import SqliteOptions, SqliteStore

TEST_LIMIT_S = 60


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

    def opened(self, **bounds: Any) -> AbstractAsyncContextManager[Store]:
        return _opened(self.make(**bounds))


@asynccontextmanager
async def _opened(store: Store) -> AsyncIterator[Store]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _sqlite(folder: Path) -> Backend:
    return Backend(lambda **bounds: SqliteStore(SqliteOptions(path=folder / "state.db", **bounds)))


BACKENDS: dict[str, Callable[[Path], Backend]] = {"sqlite": _sqlite}


@pytest.fixture(params=sorted(BACKENDS))
def new_backend(request: pytest.FixtureRequest) -> Callable[[Path], Backend]:
    return BACKENDS[request.param]


@pytest.fixture
def backend(new_backend: Callable[[Path], Backend], tmp_path: Path) -> Backend:
    return new_backend(tmp_path)

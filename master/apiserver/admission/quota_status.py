"""Writes into the status of each quota what is used of it.

Level-triggered: a change of the books marks a quota; the task writes what the books say then, so that a hundred changes
in one moment are one write.
"""

import asyncio
import logging
from decimal import Decimal
from typing import cast

from api.core.quota import ResourceQuota
from api.errors import ApiError
from api.pod_resources import quantity
from api.resources import resource_of
from master.apiserver.admission.quota_books import Account, Books
from master.apiserver.cache import Item
from master.apiserver.registry import Registry

log = logging.getLogger(__name__)

_AGAIN_S = 0.2
# How late a pod that should have gone may be noticed in the status; admission looks itself.
_OVERDUE_ROUND_S = 5.0


class QuotaStatus:
    """The task."""

    def __init__(self, registry: Registry, books: Books) -> None:
        self._registry = registry
        self._books = books
        self._table = registry.cache.table(resource_of(ResourceQuota))
        # As a dict, for its order.
        self._marked: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._books.changed = self._mark
        for item in self._table.items():
            self._mark(item.namespace, item.name)
        self._task = asyncio.get_running_loop().create_task(self._rounds(), name="quota status")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    def _mark(self, namespace: str, name: str) -> None:
        self._marked[namespace, name] = None
        self._wake.set()

    async def _rounds(self) -> None:
        while True:
            await self._waited()
            self._wake.clear()
            self._books.pass_over()
            marked, self._marked = self._marked, {}
            for namespace, name in marked:
                try:
                    await self._write(namespace, name)
                except ApiError as error:
                    log.debug("quota status put off quota=%s/%s error=%s", namespace, name, error)
                    await asyncio.sleep(_AGAIN_S)
                    self._mark(namespace, name)
                except Exception:  # one failed write must not end the task for good
                    log.exception("quota status failed quota=%s/%s", namespace, name)
                    await asyncio.sleep(_AGAIN_S)

    async def _waited(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), _OVERDUE_ROUND_S if self._books.awaits else None)
        except TimeoutError:
            return

    async def _write(self, namespace: str, name: str) -> None:
        item, book = self._table.get(namespace, name), self._books.of(namespace)
        account = book.accounts.get(name) if book is not None else None
        if item is not None and account is not None:
            await self._store(item, account)

    async def _store(self, item: Item, account: Account) -> None:
        quota = cast(ResourceQuota, item.decode())
        used = {name: quantity(name, account.used.get(name, Decimal(0))) for name in quota.spec.hard}
        if quota.status.hard == quota.spec.hard and quota.status.used == used:
            return
        quota.status.hard, quota.status.used = dict(quota.spec.hard), used
        await self._registry.update(item.table.resource, quota, expected=item.revision)

"""Keeps the rules of aggregated cluster roles: the sum of the roles that their selectors pick.

Level-triggered: any change of a cluster role wakes the task, which works every sum out again and writes what differs. A
sum may be part of another sum; the change of the first wakes it for the second.
"""

import asyncio
import logging
from typing import cast

from api.codec import encode
from api.errors import ApiError
from api.rbac import ClusterRole, PolicyRule
from api.resources import resource_of
from api.selectors import from_label_selector
from master.apiserver.cache import Event, Item
from master.apiserver.registry import Registry

log = logging.getLogger(__name__)

_AGAIN_S = 1.0


class Aggregation:
    """The task. It follows the table of cluster roles."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._table = registry.cache.table(resource_of(ClusterRole))
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._table.followers.add(self)
        self._changed.set()
        self._task = asyncio.get_running_loop().create_task(self._rounds(), name="role aggregation")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    def offer(self, events: list[Event]) -> None:  # noqa: ARG002 - that something changed is all that counts
        self._changed.set()

    async def _rounds(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._round()
            except ApiError as error:
                # Most likely another write came between, and that one wakes us; any other failure wants time.
                log.info("aggregation put off error=%s", error)
                await asyncio.sleep(_AGAIN_S)
                self._changed.set()
            except Exception:  # one failed round must not end the task for good
                log.exception("role aggregation failed")
                await asyncio.sleep(_AGAIN_S)

    async def _round(self) -> None:
        for item in self._table.items():
            # Nearly no role is a sum: look for the word before decoding.
            if b'"aggregationRule"' in item.wire:
                await self._sum_up(item)

    async def _sum_up(self, item: Item) -> None:
        role = cast(ClusterRole, item.decode())
        if role.aggregation_rule is None:
            return
        selectors = [from_label_selector(one) for one in role.aggregation_rule.cluster_role_selectors]
        found: dict[bytes, PolicyRule] = {}
        for other in self._table.items():
            if other.name != item.name and any(selector.matches(other.labels) for selector in selectors):
                found |= {encode(rule): rule for rule in cast(ClusterRole, other.decode()).rules}
        rules = list(found.values())
        if rules == role.rules:
            return
        role.rules = rules
        role.metadata.resource_version = ""
        await self._registry.update(item.table.resource, role, expected=item.revision)
        log.info("summed up role=%s rules=%d bytes=%d", item.name, len(rules), len(encode(role)))

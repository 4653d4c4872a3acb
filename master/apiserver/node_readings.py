"""Readings of the agents' usage: fetched when somebody asks, kept for a moment, never polled.

The first to ask waits for two readings a second apart; who comes later within ``OLD_S`` has the last one to compare
with. All who ask about a node at one moment share one fetch. A node that does not answer in time is absent.
"""

import asyncio
import logging
import time
from collections.abc import Iterable

from api.core import Node
from api.errors import ApiError
from master.apiserver.node_client import NodeClient, address_of
from master.apiserver.node_usage import Reading, parse

log = logging.getLogger(__name__)

FRESH_S = 5.0
OLD_S = 120.0
_APART_S = 1.0
_LIMIT_S = 5.0
_ANSWER_MOST_BYTES = 16 * 2**20
_AT_ONCE = 50

Pair = tuple[Reading | None, Reading]


class NodeReadings:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._pairs: dict[str, Pair] = {}
        self._fetches: dict[str, asyncio.Task[Pair | None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def of(self, nodes: Iterable[Node], client: NodeClient) -> dict[str, Pair]:
        """The last two readings by node; nodes that do not answer are left out."""
        self._forget_old()
        asked = {node.metadata.name: self._shared(node, client) for node in nodes}
        # A client that leaves must not cancel what others wait for.
        found = await asyncio.gather(*(asyncio.shield(task) for task in asked.values()))
        return {name: pair for name, pair in zip(asked, found, strict=True) if pair is not None}

    def _shared(self, node: Node, client: NodeClient) -> "asyncio.Task[Pair | None]":
        name = node.metadata.name
        task = self._fetches.get(name)
        if task is None:
            task = asyncio.create_task(self._pair(node, client), name=f"usage of {name}")
            self._fetches[name] = task
            task.add_done_callback(lambda _: self._fetches.pop(name, None))
        return task

    async def _pair(self, node: Node, client: NodeClient) -> Pair | None:
        name = node.metadata.name
        known = self._pairs.get(name)
        if known is not None and time.monotonic() - known[1].taken_s < FRESH_S:
            return known
        before = known[1] if known is not None else None
        try:
            if before is None:
                before = await self._fetch(node, client)
                await asyncio.sleep(_APART_S)
            pair = before, await self._fetch(node, client)
        except (ApiError, OSError, TimeoutError, ValueError) as error:
            log.info("no usage of node node=%s error=%s", name, error)
            return None
        self._pairs[name] = pair
        return pair

    def _forget_old(self) -> None:
        oldest = time.monotonic() - OLD_S
        self._pairs = {name: pair for name, pair in self._pairs.items() if pair[1].taken_s > oldest}

    async def _fetch(self, node: Node, client: NodeClient) -> Reading:
        async with self._turns, asyncio.timeout(_LIMIT_S):
            return await _fetch(node, client)


async def _fetch(node: Node, client: NodeClient) -> Reading:
    """Raises ApiError, OSError, TimeoutError, ValueError."""
    answer = await client.open(address_of(node), "/metrics/resource")
    try:
        if answer.status != 200:
            raise ValueError(f"the agent answered {answer.status}")
        text = await answer.text(_ANSWER_MOST_BYTES)
    finally:
        await answer.close()
    return parse(text, taken_s=time.monotonic(), now_s=time.time())

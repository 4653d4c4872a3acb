"""Lets etcd forget old revisions: those older than one interval, one master's turn at a time.

etcd keeps every revision until it is compacted, so without this (or etcd's own --auto-compaction-retention) it grows
for ever. Every master tries each interval; who wins the compare on `PREFIX/\\0compact` compacts up to the revision that
it saw an interval ago. Compaction holds for the whole etcd; others there keep an interval of history too.
"""

import asyncio
import logging

from master.store.contract import StoreError
from master.store.etcd.client import EtcdClient, Refused, Unanswered
from master.store.etcd.following import Follower
from master.store.etcd.layout import Layout
from master.store.etcd.messages import HeaderAnswer, TxnAnswer, put, unchanged

log = logging.getLogger(__name__)

_OUT_OF_RANGE = 11


async def compact_regularly(client: EtcdClient, layout: Layout, follower: Follower, *, interval_s: float) -> None:
    """Until cancelled. What fails is tried again an interval later."""
    before = 0
    while True:
        await asyncio.sleep(interval_s)
        try:
            before = await compact_once(client, layout, follower, before=before, timeout_s=interval_s)
        except (Refused, Unanswered, StoreError, TimeoutError) as error:
            log.warning("etcd compaction failed error=%s", error)


async def compact_once(client: EtcdClient, layout: Layout, follower: Follower, *, before: int, timeout_s: float) -> int:
    """Take the turn and compact up to etcd's revision `before` (0: nothing yet); returns the revision of now."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    request = {
        "compare": [unchanged(layout.compact, follower.compact)],
        "success": [put(layout.compact, b"")],
    }
    answer, _ = await client.call("/v3/kv/txn", request, TxnAnswer, deadline=deadline)
    now = answer.header.revision
    if answer.succeeded and before:
        try:
            await client.call("/v3/kv/compaction", {"revision": before}, HeaderAnswer, deadline=deadline)
        except Refused as refusal:
            if refusal.code != _OUT_OF_RANGE:  # somebody was there before us
                raise
        log.info("etcd compacted revision=%d", before)
    return now

"""Twenty nodes renew their leases for a week, as fast as it goes; what is on disk stays bounded.

A week at one heartbeat in ten seconds is 60,480 rounds. STEERSMAN_HEARTBEAT_S says for how long to run (30 does a
good part of it); twenty times meanwhile the sizes are taken, and logged at the end (--log-cli-level=INFO).
"""

import asyncio
import logging
import os
import time

from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from master.store.sqlite import SqliteOptions, SqliteStore
from tests.store.conftest import new_prefix

log = logging.getLogger(__name__)

SECONDS = float(os.environ.get("STEERSMAN_HEARTBEAT_S", "1"))
NODES = 20
WEEK_ROUNDS = 7 * 24 * 3600 // 10
LEASE = b'{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","spec":{"renewTime":"%d"}}' + b" " * 600


async def beat(store, sizes_of):
    """Rounds for SECONDS, a week at most; returns the sizes taken on the way, and the rounds."""
    await store.open()
    await asyncio.gather(*(store.create(f"/leases/{node}", b"") for node in range(NODES)))
    sizes, rounds, end, look = [], 0, time.monotonic() + SECONDS, 0.0
    while rounds < WEEK_ROUNDS and (now := time.monotonic()) < end:
        value = LEASE % rounds
        await asyncio.gather(*(store.update(f"/leases/{node}", value, expected=None) for node in range(NODES)))
        rounds += 1
        if now >= look:
            sizes.append(await asyncio.to_thread(sizes_of))
            look = now + SECONDS / 20
    await store.close()
    return sizes, rounds


async def test_the_file_and_its_log_stay_bounded(tmp_path):
    options = SqliteOptions(path=tmp_path / "state.db")

    def sizes_of():
        return options.path.stat().st_size, (tmp_path / "state.db-wal").stat().st_size

    sizes, rounds = await beat(SqliteStore(options), sizes_of)
    files, logs = zip(*sizes, (options.path.stat().st_size, 0), strict=True)
    log.info("sqlite heartbeats rounds=%d file_bytes_max=%d log_bytes_max=%d", rounds, max(files), max(logs))
    assert rounds > 10
    assert max(files) < 100 * 8192
    assert max(logs) < (options.wal_pages_max + 100) * 8300


async def test_etcd_forgets_what_is_old(etcd):
    options = EtcdOptions(endpoints=etcd.endpoints, prefix=new_prefix(), compact_s=SECONDS / 20)
    [member] = etcd.members

    def sizes_of():
        status = member.post("/v3/maintenance/status", b"{}")
        return int(status["dbSizeInUse"])

    before = sizes_of()
    sizes, rounds = await beat(EtcdStore(options), sizes_of)
    log.info("etcd heartbeats rounds=%d in_use_bytes_before=%d in_use_bytes_max=%d", rounds, before, max(sizes))
    written = rounds * NODES * len(LEASE)
    # Two intervals of twenty are kept, and what was there before.
    assert max(sizes) - before < 2_000_000 + written / 4

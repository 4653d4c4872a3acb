"""Keeps SQLite's write-ahead log short without delaying commits.

Bulk copying from the log into the database runs on a thread with its own connection; the few frames written
meanwhile are copied on the event loop, so that the log is wholly copied at a moment when no write can come
between, and the next commit starts it afresh at its first frame. (A passive checkpoint alone never gets
there under steady writes: that is how logs of many gigabytes come about.) The log's file is kept while writes
come, since overwriting is cheaper to sync than growing, and is truncated when the store is idle or closes.

The bound of `frames_max` is kept by making writers wait. It cannot hold while another process holds a read
transaction on the file; then this says so in the log file of the master and writes go on.
"""

import asyncio
import logging
import mmap
import os
import sqlite3
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

log = logging.getLogger(__name__)

# What may be left for the event loop to copy: 64 pages of 8 KB take about as long as one commit.
_REMAINDER = 64
_PASSES_MAX = 4
_MX_FRAME = struct.Struct("=I")


class FrameGauge:
    """Reads the number of frames in the log from the log's shared index.

    The offset of mxFrame is documented: https://www.sqlite.org/walformat.html#the_wal_index_header.
    The descriptor stays open until all connections of this process are closed: closing it earlier would
    drop the locks that SQLite holds on the same file (POSIX locks belong to the process).
    """

    def __init__(self, database: Path) -> None:
        fd = os.open(f"{database}-shm", os.O_RDONLY | os.O_CLOEXEC)
        # It keeps a descriptor of its own, and is asked after every commit: a look at memory is no call of the kernel.
        self._index = mmap.mmap(fd, mmap.PAGESIZE, prot=mmap.PROT_READ)
        self._fd = fd

    def frames(self) -> int:
        return int(_MX_FRAME.unpack_from(self._index, 16)[0])

    def close(self) -> None:
        self._index.close()
        os.close(self._fd)


def checkpoint(connection: sqlite3.Connection, mode: str) -> int | None:
    """Copy frames into the database; returns how many are left, None when it could not run."""
    try:
        busy, frames, copied = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    except sqlite3.Error as error:
        log.warning("store checkpoint failed mode=%s error=%s", mode, error)
        return None
    return None if busy and mode == "PASSIVE" else frames - copied


class Checkpoints:
    """Decides when the log is copied, and does it; one for each open store, on the store's event loop."""

    def __init__(
        self,
        writer: sqlite3.Connection,
        connect: Callable[[], sqlite3.Connection],
        gauge: FrameGauge,
        *,
        frames_start: int,
        frames_max: int,
        idle_s: float,
    ) -> None:
        self._writer = writer
        self._gauge = gauge
        self._frames_start = frames_start
        self._frames_max = frames_max
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-checkpoint")
        self._connection = connect()
        self._task: asyncio.Task[None] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._last_commit = self._loop.time()
        self._next_start = frames_start
        self._last_frames = 0
        self._warned = False

    @property
    def full(self) -> bool:
        """True while writers must wait for the running copy."""
        return self._task is not None and self._gauge.frames() >= self._frames_max

    async def room(self) -> None:
        """Wait until the running copy ends. Being cancelled does not end the copy."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def after_commit(self) -> None:
        """Start a copy when the log is long enough, and see to it that an idle log is truncated."""
        self._last_commit = self._loop.time()
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(self._idle_s, self._look_idle)
        frames = self._gauge.frames()
        if frames < self._last_frames:
            self._next_start, self._warned = self._frames_start, False
        self._last_frames = frames
        if self._task is None and frames >= self._next_start:
            self._warn_if_stuck(frames)
            self._start("PASSIVE")

    def _warn_if_stuck(self, frames: int) -> None:
        """A copy that must start this late follows others after which the log did not start afresh."""
        if frames >= self._frames_max and not self._warned:
            self._warned = True
            log.warning("store log cannot shrink frames=%d: does another process read the file?", frames)

    def _look_idle(self) -> None:
        rest = self._last_commit + self._idle_s - self._loop.time()
        if rest > 0:
            self._idle_timer = self._loop.call_later(rest, self._look_idle)
            return
        self._idle_timer = None
        if self._task is None:
            self._start("TRUNCATE")

    def _start(self, last_mode: str) -> None:
        self._task = self._loop.create_task(self._run(last_mode), name="store-checkpoint")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("store checkpoint ended unexpectedly", exc_info=error)

    async def _run(self, last_mode: str) -> None:
        left = await self._loop.run_in_executor(self._pool, self._copy)
        # On the loop: no commit can come between, so what is copied here is the end of the log.
        if left is not None:
            checkpoint(self._writer, last_mode)
        # Until the log is seen to start afresh, the next copy is worth its while only this much later.
        self._next_start = self._gauge.frames() + self._frames_start

    def _copy(self) -> int | None:
        left: int | None = None
        for _ in range(_PASSES_MAX):
            left = checkpoint(self._connection, "PASSIVE")
            if left is None or left <= _REMAINDER:
                break
        return left

    async def close(self) -> None:
        """Wait for the running copy, truncate the log, join the thread. The writer stays open."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        await self.room()
        self._pool.shutdown(wait=True)
        self._connection.close()
        checkpoint(self._writer, "TRUNCATE")

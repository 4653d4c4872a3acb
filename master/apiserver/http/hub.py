"""What all connections of one server share: the handler, the limits, who is open and which tasks run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from master.apiserver.http.limits import Limits
from master.apiserver.http.message import Handler
from master.apiserver.http.parsing import Uploads
from master.apiserver.http.repeats import Repeats


class Member(Protocol):
    """A connection as the hub sees it."""

    def wind_down(self) -> None:
        """The server is stopping: close now when idle, else after what is in flight."""

    def abort(self) -> None:
        """Cut the connection."""


class Hub:
    """Owns the connections and their tasks; at most `limits.max_connections` are admitted."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self.handler = handler
        self.limits = limits
        self.closing = asyncio.Event()
        self.compressor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="apiserver-gzip")
        self.uploads = Uploads(limits.upload_bytes)
        self.repeats = Repeats()
        self._members: set[Member] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def connections(self) -> int:
        return len(self._members)

    def admit(self, member: Member) -> bool:
        """False when the house is full."""
        if len(self._members) >= self.limits.max_connections:
            return False
        self._members.add(member)
        self._empty.clear()
        return True

    def leave(self, member: Member) -> None:
        self._members.discard(member)
        self._note_empty()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` as a task of this hub; it must handle its own errors, and say at its end that it has ended."""
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        return task

    def ended(self, task: asyncio.Task[None]) -> None:
        """Called by the task itself: a callback of asyncio's costs a turn of the loop for each write."""
        self._tasks.discard(task)
        self._note_empty()

    async def stop(self, grace_s: float) -> None:
        """Ask all to end, wait `grace_s`, then cut what is left. No new member may come meanwhile."""
        self.closing.set()
        for member in tuple(self._members):
            member.wind_down()
        try:
            await asyncio.wait_for(self._empty.wait(), grace_s)
        except TimeoutError:
            await self._cut()
        self.compressor.shutdown(wait=True, cancel_futures=True)

    async def _cut(self) -> None:
        for task in self._tasks:
            task.cancel()
        for member in tuple(self._members):
            member.abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)
        # One that was cancelled before its first step could not say so.
        self._tasks = {task for task in self._tasks if not task.done()}
        self._note_empty()
        # An aborted transport reports its end on the next turns of the loop.
        try:
            await asyncio.wait_for(self._empty.wait(), 1.0)
        except TimeoutError:
            pass

    def _note_empty(self) -> None:
        if not self._members and not self._tasks:
            self._empty.set()

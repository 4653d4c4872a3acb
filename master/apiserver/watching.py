"""One open watch: takes the events of a table, keeps those the client asked for, and writes them as JSON lines
or frames of protobuf.

The rule: a watcher never delays a commit. Its queue is bounded; when the client reads too slowly the watch ends, and
the client comes back with the last version it saw. Events go out in the order of their revisions, none twice, none
left out.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from api.errors import Expired
from master.apiserver.cache import Cache, Event, Table
from master.apiserver.http.message import Sink
from master.apiserver.selection import Selection

log = logging.getLogger(__name__)

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
LINE = ""
"""In the place of a type: what is queued is a whole line already."""
QUEUE_MAX = 2000
BOOKMARK_S = 60.0
# So long before its end a watch tells how far it has come, that its client goes on from there.
_LAST_BOOKMARK_S = 2.0
_CHUNK_LINES = 500
# A client that reads nothing makes us hold one chunk, and a thousand of them a thousand.
_CHUNK_BYTES = 128 * 1024

Shown = Callable[[bytes], bytes]
"""The object of an event in the form that the client asked for."""

Framed = Callable[[str, bytes], bytes]
"""An event, from its type and object: a line of JSON, or a frame of protobuf."""


def change_of(event: Event, selection: Selection) -> tuple[str, bytes] | None:
    """What one event is to one selection: its type and object, or None when it is not seen.

    An object that begins to be picked is ADDED, one that no longer is, is DELETED.
    """
    was = event.before is not None and selection.picks(event.before)
    after = event.after
    if after is not None and selection.picks(after):
        return (MODIFIED if was else ADDED), after.wire
    return (DELETED, event.gone) if was else None


class Watcher:
    """The queue between the commits and one client."""

    def __init__(self, table: Table, selection: Selection, *, queue_max: int = QUEUE_MAX, whole: bool = False) -> None:
        """``whole``: the client wants the objects as they are, so that it can be sent the lines all others get."""
        self.table = table
        self._selection = selection
        self._whole = whole
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queue_max = queue_max
        self._wake = asyncio.Event()
        self.dropped = False

    def start(self) -> None:
        self.table.followers.add(self, only=self._selection.only)

    def stop(self) -> None:
        self.table.followers.discard(self)
        self._queue.clear()
        self._wake.set()

    def begin(self, lines: list[tuple[str, bytes]]) -> None:
        """What comes before the live events; bounded by the state or the history, not by the queue."""
        self._queue.extend(lines)
        self._queue_max += len(lines)

    def offer(self, events: list[Event]) -> None:
        """Called with each commit."""
        seen = []
        for event in events:
            change = change_of(event, self._selection)
            if change is not None:
                seen.append((LINE, event.line(*change)) if self._whole else change)
        if not seen:
            return
        if len(self._queue) + len(seen) > self._queue_max:
            log.info("slow watcher dropped resource=%s queued=%d", self.table.resource.qualified, len(self._queue))
            self.dropped = True
            self.stop()
            return
        self._queue.extend(seen)
        self._wake.set()

    async def wait(self, seconds: float) -> None:
        """Until there is something to take, or for so long."""
        if self._queue or self.dropped:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def take(self) -> list[tuple[str, bytes]]:
        """Up to one chunk of what is queued, in order."""
        lines: list[tuple[str, bytes]] = []
        size = 0
        while self._queue and len(lines) < _CHUNK_LINES and size < _CHUNK_BYTES:
            lines.append(self._queue.popleft())
            size += len(lines[-1][1])
        return lines


class Feed:
    """Writes one watch to one client until its time is over."""

    def __init__(
        self, watcher: Watcher, cache: Cache, *, shown: Shown, framed: Framed, seconds: float, bookmarks: bool
    ) -> None:
        self._watcher = watcher
        self._cache = cache
        self._shown = shown
        self._framed = framed
        self._seconds = seconds
        self._bookmarks = bookmarks

    async def run(self, sink: Sink) -> None:
        """The producer of the stream."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        marked = _next_mark(loop.time(), end)
        closing = loop.create_task(sink.closing.wait(), name="watch closing")
        closing.add_done_callback(lambda _: self._watcher.stop())
        try:
            while not sink.closing.is_set() and not self._watcher.dropped and loop.time() < end:
                await self._write(sink)
                if self._bookmarks and loop.time() >= marked:
                    marked = _next_mark(loop.time(), end)
                    await sink.write(self._line(BOOKMARK, bookmark(self._watcher.table, self._cache.revision)))
                await self._watcher.wait(min(end, marked if self._bookmarks else end) - loop.time())
        finally:
            closing.cancel()
            self._watcher.stop()

    async def _write(self, sink: Sink) -> None:
        while lines := self._watcher.take():
            await sink.write(b"".join([self._line(kind, body) for kind, body in lines]))

    def _line(self, kind: str, body: bytes) -> bytes:
        return body if kind == LINE else self._framed(kind, self._shown(body))


def _next_mark(now: float, end: float) -> float:
    last = end - _LAST_BOOKMARK_S
    return min(now + BOOKMARK_S, last) if last > now else now + BOOKMARK_S


def bookmark(table: Table, revision: int, *, initial_end: bool = False) -> bytes:
    """An object that says nothing but up to which version the client has seen all."""
    resource = table.resource
    mark = ',"annotations":{"k8s.io/initial-events-end":"true"}' if initial_end else ""
    head = f'{{"apiVersion":"{resource.api_version}","kind":"{resource.kind}","metadata":'
    return f'{head}{{"resourceVersion":"{revision}","creationTimestamp":null{mark}}}}}'.encode()


def replay(table: Table, since: int, selection: Selection) -> list[tuple[str, bytes]]:
    """The changes after a revision. Raises Expired when they are no longer all held."""
    if since < table.replay_from:
        raise Expired(f"too old resource version: {since} ({table.replay_from})")
    return [change for event in table.since(since) if (change := change_of(event, selection)) is not None]


def state(table: Table, selection: Selection) -> list[tuple[str, bytes]]:
    """Everything that is there now, as if it had just come."""
    items = selection.candidates(table)
    return [(ADDED, item.wire) for item in items if selection.is_everything or selection.picks(item)]

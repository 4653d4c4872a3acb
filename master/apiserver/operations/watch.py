"""GET of a collection with ``watch``: changes as they are committed, from a version on.

Without a version, or from version 0, the present state comes first as ADDED. With ``sendInitialEvents`` too, and a
bookmark with the annotation ``k8s.io/initial-events-end`` ends it.
"""

import random

from api.codec import encode
from api.errors import ApiError, Expired
from master.apiserver.backend import Backend
from master.apiserver.binary import frame, status_bytes
from master.apiserver.cache import Table, watch_line
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Sink, Stream
from master.apiserver.list_options import check_watch
from master.apiserver.negotiation import Form
from master.apiserver.operations.list import check_reached
from master.apiserver.rendering import shown
from master.apiserver.responses import warnings
from master.apiserver.selection import Selection, selection_of
from master.apiserver.watching import BOOKMARK, ERROR, Feed, Watcher, bookmark, replay, state

_DEFAULT_S = 1800
_LONGEST_S = 24 * 3600


def watch(backend: Backend, call: Call) -> Response | Stream:
    """Raises Expired for a version that is no longer held, Timeout for one yet to come, Invalid."""
    check_watch(call)
    cache = backend.registry.cache
    table = cache.table(call.target.resource)
    selection = selection_of(call)
    bookmarks = call.flag("allowWatchBookmarks")
    since = call.revision()
    check_reached(since, cache.revision)
    initial = _wants_state(call, since)
    if not initial and since is not None and since < table.replay_from:
        # Both forms of 410 are read by clients; before the stream begins, the plain one is the clearer.
        raise Expired(f"too old resource version: {since} ({table.replay_from})")
    watcher = Watcher(table, selection, queue_max=backend.watch_queue, whole=_is_whole(call))
    seconds = min(call.number("timeoutSeconds") or _default_seconds(), _LONGEST_S)
    framed = frame if call.output.protobuf else watch_line
    feed = Feed(watcher, cache, shown=_Shown(call), framed=framed, seconds=seconds, bookmarks=bookmarks)

    async def produce(sink: Sink) -> None:
        # The stream may never begin; only from here on is there somebody to stop the watcher.
        try:
            watcher.begin(_first(call, table, selection, since, initial=initial, revision=cache.revision))
        except ApiError as error:
            await sink.write(framed(ERROR, _told(call, error)))
            return
        watcher.start()
        with backend.presence.watching(call.user.name):
            await feed.run(sink)

    return Stream(200, produce, content_type=call.output.stream_type, headers=warnings(call.warnings))


def _is_whole(call: Call) -> bool:
    """Whether the client takes the stored bytes as they are."""
    return call.output.form is Form.OBJECT and not call.output.protobuf and call.target.resource.stored_as is None


def _told(call: Call, error: ApiError) -> bytes:
    status = error.status()
    return status_bytes(status) if call.output.protobuf else encode(status)


def _wants_state(call: Call, since: int | None) -> bool:
    if "sendInitialEvents" not in call.request.query:
        return not since
    return call.flag("sendInitialEvents")


def _default_seconds() -> float:
    """Spread, so that the watches of a start do not all come back in one moment."""
    return _DEFAULT_S * (1 + random.random())


def _first(
    call: Call, table: Table, selection: Selection, since: int | None, *, initial: bool, revision: int
) -> list[tuple[str, bytes]]:
    """What comes before the live events. There is no await between this and the start of following."""
    if not initial:
        return replay(table, since, selection) if since else []
    lines = state(table, selection)
    if "sendInitialEvents" in call.request.query and call.flag("allowWatchBookmarks"):
        lines.append((BOOKMARK, bookmark(table, revision, initial_end=True)))
    return lines


class _Shown:
    """The objects of the events; a Table names its columns in the first event only."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._headers = True

    def __call__(self, wire: bytes) -> bytes:
        body = shown(self._call, wire, headers=self._headers)
        self._headers = False
        return body

"""GET of a collection: all that a selection picks, whole or in pieces.

The rule: all pieces show the state at which the list began, however much was written between them; when that state is
no longer held, the answer is 410 with a token by which the client may go on in the state of now.
"""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from api.codec import encode
from api.errors import BadRequest, Expired, Timeout
from api.meta import ListMeta, StatusCause, StatusDetails
from master.apiserver.backend import Backend
from master.apiserver.cache import Cache, Item, Table
from master.apiserver.call import Call
from master.apiserver.http.message import Response, Stream
from master.apiserver.list_options import check_list
from master.apiserver.rendering import list_answer
from master.apiserver.selection import Selection, selection_of


class _Token(msgspec.Struct):
    """Where a list goes on: the key after which, and the version at which it began."""

    v: str
    rv: int
    start: str


_BAD_TOKEN = "invalid continue token: continue key is not valid"
_NOW = -1
"""In the place of a token's version: the state of now, which the other pieces did not show."""
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def list_objects(backend: Backend, call: Call) -> Response | Stream:
    """Raises BadRequest, Expired for a version or token that is too old, Timeout for a version yet to come."""
    items, meta = page_of(backend, call, selection_of(call))
    return list_answer(call, [item.wire for item in items], meta)


def page_of(backend: Backend, call: Call, selection: Selection) -> tuple[Sequence[Item], ListMeta]:
    """The objects of one piece, and what the list tells of itself. Raises as ``list_objects``."""
    check_list(call)
    cache = backend.registry.cache
    table = cache.table(call.target.resource)
    limit, token = max(call.number("limit") or 0, 0), _token(call, table, cache.revision)
    if token is None and call.option("resourceVersion") == "0":
        limit = 0  # As from Kubernetes' cache: an informer has the whole of its first list in one piece.
    revision = (
        _version(call, cache, table, limit) if token is None else cache.revision if token.rv == _NOW else token.rv
    )
    start = token.start if token is not None else ""
    items = _items(table, selection, revision, start)
    picked, rest = _pick(items, selection, limit)
    meta = ListMeta(resource_version=str(revision))
    if rest:
        meta.continue_ = _continue(revision, picked[-1].key)
        meta.remaining_item_count = rest if selection.is_everything else None
    return picked, meta


def _items(table: Table, selection: Selection, revision: int, start: str) -> list[Item]:
    """Objects among which are all that are picked, as they were at a revision; by an index only of the present."""
    if revision >= table.changed:
        return selection.candidates(table, after=start)
    return table.items_at(revision, selection.namespace, after=start)


def _pick(items: list[Item], selection: Selection, limit: int) -> tuple[Sequence[Item], int]:
    """The objects of this piece, and how many come after it (1 when it is only known that some do)."""
    if selection.is_everything:
        return (items, 0) if not limit else (items[:limit], max(len(items) - limit, 0))
    picked: list[Item] = []
    for item in items:
        if selection.picks(item):
            if limit and len(picked) == limit:
                return picked, 1
            picked.append(item)
    return picked, 0


def _continue(revision: int, key: str) -> str:
    return base64.urlsafe_b64encode(encode(_Token("meta.k8s.io/v1", revision, key))).decode().rstrip("=")


def _token(call: Call, table: Table, revision: int) -> _Token | None:
    text = call.option("continue")
    if not text:
        return None
    if call.option("resourceVersion") not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(_BAD_TOKEN) from error
    first = table.key(call.target.namespace, "") if call.target.namespace else table.prefix
    if not token.start.startswith(first) or not _NOW <= token.rv <= revision:
        raise BadRequest(_BAD_TOKEN)
    if _NOW < token.rv < table.replay_from:
        raise Expired(_TOO_OLD, continue_=_continue(_NOW, token.start))
    return token


def _version(call: Call, cache: Cache, table: Table, limit: int) -> int:
    """The version whose state is to be shown: the present one, unless exactly another one is asked for."""
    wanted, match = call.revision(), call.option("resourceVersionMatch")
    check_reached(wanted, cache.revision)
    # Kubernetes' rule from before there was a match: a version with a limit is that version.
    exact = match == "Exact" or (not match and limit)
    if not exact or not wanted:
        return cache.revision
    if wanted < table.replay_from:
        raise Expired(f"The resourceVersion for the provided list is too old: {wanted} ({table.replay_from})")
    return wanted


def check_reached(wanted: int | None, revision: int) -> None:
    """Raises Timeout, in the form by which clients know to try again, for a version that is not reached yet."""
    if wanted is not None and wanted > revision:
        cause = StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")
        details = StatusDetails(causes=[cause], retry_after_seconds=1)
        raise Timeout(f"Timeout: Too large resource version: {wanted}, current: {revision}", details=details)

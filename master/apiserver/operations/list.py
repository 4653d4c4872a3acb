"""GET of a collection: all that a selection picks, whole or in pieces.

A list shows the present state. A piece carries the version at which its list began, so that a client that goes on with
a watch from there sees whatever changed between the pieces.
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
from master.apiserver.http.message import Response
from master.apiserver.rendering import list_answer
from master.apiserver.selection import Selection, selection_of

_MATCHES = ("", "Exact", "NotOlderThan")


class _Token(msgspec.Struct):
    """Where a list goes on: the key after which, and the version at which it began."""

    v: str
    rv: int
    start: str


def list_objects(backend: Backend, call: Call) -> Response:
    """Raises BadRequest, Expired for a version or token that is too old, Timeout for a version yet to come."""
    table = backend.registry.cache.table(call.target.resource)
    selection = selection_of(call)
    limit, token = call.number("limit") or 0, _token(call, table)
    if token is None:
        _check_version(call, backend.registry.cache, table)
    start = token.start if token is not None else ""
    revision = token.rv if token is not None else backend.registry.cache.revision
    items = selection.candidates(table, after=start)
    picked, rest = _pick(items, selection, limit)
    meta = ListMeta(resource_version=str(revision))
    if rest:
        meta.continue_ = _continue(revision, picked[-1].key)
        meta.remaining_item_count = rest if selection.is_everything else None
    return list_answer(call, [item.wire for item in picked], meta)


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


def _token(call: Call, table: Table) -> _Token | None:
    text = call.option("continue")
    if not text:
        return None
    if call.option("resourceVersion") not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadRequest("continue key is not valid") from error
    if not token.start.startswith(table.prefix):
        raise BadRequest("continue key is not valid")
    if token.rv < table.replay_from:
        raise Expired("The provided continue parameter is too old to display a consistent list result. Start again.")
    return token


def _check_version(call: Call, cache: Cache, table: Table) -> None:
    wanted, match = call.revision(), call.option("resourceVersionMatch")
    if match not in _MATCHES:
        raise BadRequest(
            f'resourceVersionMatch: Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        )
    if match and wanted is None:
        raise BadRequest(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    check_reached(wanted, cache.revision)
    if match == "Exact" and wanted is not None and wanted < table.changed:
        raise Expired(f"The resourceVersion for the provided list is too old: {wanted} ({table.changed})")


def check_reached(wanted: int | None, revision: int) -> None:
    """Raises Timeout, in the form by which clients know to try again, for a version that is not reached yet."""
    if wanted is not None and wanted > revision:
        cause = StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")
        details = StatusDetails(causes=[cause], retry_after_seconds=1)
        raise Timeout(f"Timeout: Too large resource version: {wanted}, current: {revision}", details=details)

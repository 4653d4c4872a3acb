"""One object, followed until something is so: a watch, and a fresh look whenever it ends."""

import math
import time
from collections.abc import Callable, Iterator

import msgspec

from api.errors import Expired, Gone
from cli.steer.discovery import Kind
from cli.steer.session import Object, Session
from client import Unreachable
from client.transport import Query

FOR_EVER_S = 7 * 24 * 3600.0
_PAUSE_S = 0.2
_ENDED = ("ERROR", "BOOKMARK")


def deadline(limit_s: float) -> float:
    """In monotonic seconds; 0 is for ever, as kubectl has it."""
    return time.monotonic() + (limit_s or FOR_EVER_S)


def states(session: Session, kind: Kind, name: str, namespace: str, end: float) -> Iterator[Object | None]:
    """How the object is, at once and after each change, None while there is none. Ends when the time is over."""
    while time.monotonic() < end:
        found = session.call("GET", kind.path(namespace), query={"fieldSelector": f"metadata.name={name}"})
        items = found.get("items") or []
        yield {"apiVersion": kind.api_version, "kind": kind.kind, **items[0]} if items else None
        try:
            yield from _changes(session, kind, name, namespace, found["metadata"]["resourceVersion"], end)
        except (Expired, Gone, Unreachable):
            # The look that follows says what is; one that fails tells of it.
            time.sleep(_PAUSE_S)


def _changes(
    session: Session, kind: Kind, name: str, namespace: str, version: str, end: float
) -> Iterator[Object | None]:
    left_s = end - time.monotonic()
    if left_s <= 0:
        return
    query: Query = {
        "watch": True,
        "fieldSelector": f"metadata.name={name}",
        "resourceVersion": version,
        "timeoutSeconds": min(3600, math.ceil(left_s)),
    }
    stream = session.transport.stream(kind.path(namespace), query=query)
    try:
        for line in stream.lines():
            event = msgspec.json.decode(line)
            if event["type"] in _ENDED:
                return
            yield None if event["type"] == "DELETED" else event["object"]
    finally:
        stream.close()


def until(
    session: Session, kind: Kind, name: str, namespace: str, end: float, *, so: Callable[[Object | None], bool]
) -> bool:
    """Whether it came true in time."""
    return any(so(state) for state in states(session, kind, name, namespace, end))


def until_gone(session: Session, kind: Kind, name: str, namespace: str, uid: str, end: float) -> bool:
    """An object of the same name that has another uid is another one."""

    def gone(state: Object | None) -> bool:
        return state is None or (bool(uid) and state["metadata"].get("uid") != uid)

    return until(session, kind, name, namespace, end, so=gone)

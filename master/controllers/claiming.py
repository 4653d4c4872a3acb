"""Adoption and release: what an owner manages follows from its selector."""

from collections.abc import Iterable
from typing import Any, TypeVar

from api.errors import NotFound
from api.meta import Object
from api.selectors import Selector
from client import Client
from master.controllers.ownership import check_may_adopt, controller_of, reference

T = TypeVar("T", bound=Object)


def claim(client: Client, owner: Object, selector: Selector, owned: Iterable[T], loose: Iterable[T]) -> list[T]:
    """What the owner manages now. Of what is owned, what matches no more is released; of what is loose, what matches is
    adopted. An owner that is to go does neither.

    Raises Conflict where the owner has just gone, so that it adopts nothing.
    """
    meta = owner.metadata
    mine: list[T] = []
    for item in owned:
        managing = controller_of(item)
        if managing is None or managing.uid != meta.uid:
            # It depends on this owner, but is not managed by it.
            continue
        if selector.matches(item.metadata.labels):
            mine.append(item)
        elif meta.deletion_timestamp is None:
            _owned_by(client, item, {"$patch": "delete", "uid": meta.uid})
    if meta.deletion_timestamp is not None:
        return mine
    found = [item for item in loose if controller_of(item) is None and selector.matches(item.metadata.labels)]
    if found:
        check_may_adopt(client, owner)
    for item in found:
        mine += _owned_by(client, item, reference(owner))
    return mine


def _owned_by(client: Client, item: T, owner: Any) -> list[T]:
    """The object with the reference added, or taken off; nothing when it has gone meanwhile."""
    meta = item.metadata
    try:
        patch = {"metadata": {"uid": meta.uid, "ownerReferences": [owner]}}
        return [client.patch(type(item), meta.name, meta.namespace, patch)]
    except NotFound:
        return []

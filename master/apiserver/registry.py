"""Writes objects to the store and reads them from the cache; store errors become API errors here and nowhere else.

The rule: a write is answered after it is durable and visible in the cache. What is stored has no resourceVersion.
"""

import logging

from api.codec import encode
from api.errors import AlreadyExists, ApiError, BadRequest, Conflict, InternalError, NotFound, ServiceUnavailable
from api.errors import Timeout as TimeoutAnswer
from api.errors import TooLarge as TooLargeError
from api.meta import Object, StatusDetails
from api.resources import Resource
from api.scalars import whole_number
from master.apiserver.cache import Cache, Item, Table, splice
from master.apiserver.turns import Overtaken, Turns
from master.store.contract import (
    InvalidWrite,
    KeyExists,
    KeyMissing,
    OutcomeUnknown,
    RevisionConflict,
    Store,
    StoreClosed,
    StoreError,
)

log = logging.getLogger(__name__)

REACH_S = 3.0
"""How long a client's version may stay ahead of a store that others write to; as in Kubernetes."""

# Kubernetes' words. The write may have been made: a client must read before it tries again.
_IN_DOUBT = "Timeout: request did not complete within requested timeout - context deadline exceeded"
_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def not_found(resource: Resource, name: str) -> NotFound:
    details = StatusDetails(name=name, group=resource.group, kind=resource.plural)
    return NotFound(f'{resource.qualified} "{name}" not found', details=details)


def already_exists(resource: Resource, name: str, *, ending: bool = False) -> AlreadyExists:
    details = StatusDetails(name=name, group=resource.group, kind=resource.plural)
    told = f'{resource.qualified} "{name}" already exists'
    return AlreadyExists(f"object is being deleted: {told}" if ending else told, details=details)


def conflict(resource: Resource, name: str, why: str = _MODIFIED, *, subresource: str = "") -> Conflict:
    below = f"/{subresource}" if subresource else ""
    qualified = resource.qualified + below
    details = StatusDetails(name=name, group=resource.group, kind=resource.plural + below)
    return Conflict(f'Operation cannot be fulfilled on {qualified} "{name}": {why}', details=details)


class Registry:
    """The objects: committed ones to read, and the three ways to change them."""

    def __init__(self, store: Store, cache: Cache, *, reach_s: float = 0.0) -> None:
        """``reach_s``: how long to wait for versions that other masters made; 0 when there are none."""
        self.store = store
        self.cache = cache
        self._reach_s = reach_s
        self.turns = Turns()

    async def reach(self, revision: int) -> None:
        """Wait until the cache has a version that a client saw at another master; no longer than ``reach_s``."""
        if revision <= self.cache.revision or not self._reach_s:
            return
        # Revisions that change no object move the store only.
        self.cache.advance(self.store.revision)
        await self.cache.reached(revision, limit_s=self._reach_s)

    async def reach_named(self, version: str) -> None:
        """As reach, for the resourceVersion of a body; what is none is for others to refuse."""
        if (revision := whole_number(version)) is not None:
            await self.reach(revision)

    def find(self, resource: Resource, namespace: str, name: str) -> Item:
        """Raises NotFound."""
        item = self.cache.table(resource).get(namespace, name)
        if item is None:
            raise not_found(resource, name)
        return item

    def present(self, item: Item) -> Item:
        """The same object as it is now. Raises NotFound."""
        found = item.table.by_key(item.key)
        if found is None:
            raise not_found(item.table.resource, item.name)
        return found

    def overtaken(self, item: Item, error: Conflict) -> Overtaken:
        """For a write that was refused since its object changed. Raises the error when that is not why."""
        if item.table.by_key(item.key) is item:
            raise error
        return Overtaken()

    async def create(self, resource: Resource, obj: Object, value: bytes | None = None) -> bytes:
        """Stores a new object; returns its bytes with the resourceVersion. ``value`` is the object as it is stored, by
        one who has it already. Raises AlreadyExists."""
        table = self.cache.table(resource)
        if value is None:
            key, value = self._encoded(table, obj)
        else:
            key = table.key(obj.metadata.namespace, obj.metadata.name)
        try:
            revision = await self.store.create(key, value)
        except StoreError as error:
            raise refused(error, resource, obj.metadata.name) from error
        return _committed(table, key, value, revision)

    async def update(self, resource: Resource, obj: Object, *, expected: int) -> bytes:
        """Replaces the object that is at revision ``expected``. Raises Conflict, NotFound."""
        table = self.cache.table(resource)
        key, value = self._encoded(table, obj)
        return await self._replace(table, key, value, expected)

    async def replace(self, item: Item, value: bytes) -> bytes:
        """As update, with the bytes to store."""
        return await self._replace(item.table, item.key, value, item.revision)

    async def _replace(self, table: Table, key: str, value: bytes, expected: int) -> bytes:
        try:
            revision = await self.store.update(key, value, expected=expected)
        except StoreError as error:
            raise refused(error, table.resource, table.names(key)[1]) from error
        return _committed(table, key, value, revision)

    async def delete(self, item: Item) -> int:
        """Removes the object if it is still at this revision; returns the revision of the delete. Raises Conflict,
        NotFound."""
        try:
            return await self.store.delete(item.key, expected=item.revision)
        except StoreError as error:
            raise refused(error, item.table.resource, item.name) from error

    def _encoded(self, table: Table, obj: Object) -> tuple[str, bytes]:
        resource = table.resource
        obj.api_version, obj.kind = resource.api_version, resource.kind
        obj.metadata.resource_version = ""
        return table.key(obj.metadata.namespace, obj.metadata.name), encode(obj)


def _committed(table: Table, key: str, value: bytes, revision: int) -> bytes:
    """The cache already holds these bytes, unless a later write of the same commit replaced them."""
    item = table.by_key(key)
    return item.wire if item is not None and item.revision == revision else splice(value, table.offset, revision)


def refused(error: StoreError, resource: Resource, name: str) -> ApiError:
    match error:
        case KeyExists():
            return already_exists(resource, name)
        case KeyMissing():
            return not_found(resource, name)
        case RevisionConflict():
            return conflict(resource, name)
        case InvalidWrite() if "large" in error.problem or "bytes" in error.problem:
            return TooLargeError(f'{resource.qualified} "{name}": {error.problem}')
        case InvalidWrite():
            return BadRequest(f'{resource.qualified} "{name}" cannot be stored: {error.problem}')
        case OutcomeUnknown():
            log.warning("outcome of a write unknown resource=%s name=%s error=%s", resource.qualified, name, error)
            return TimeoutAnswer(_IN_DOUBT)
        case StoreClosed():
            return ServiceUnavailable("the server is shutting down")
        case _:
            return InternalError(f"the write was not stored: {error}")

"""All objects in memory, as the bytes that go out: encoded once at the write, read and watched from here.

The rule: the cache changes only by the store's commits, in their order, and a commit is visible here before its writer
is answered. The stored value has no resourceVersion; it is spliced in right behind ``"metadata":{`` once for each
commit, and get, list and watch hand out the same bytes. Nothing here decodes an object unless a selector asks for it.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from api.beside_spec import decode_beside_spec
from api.codec import decode
from api.meta import Object
from api.resources import RESOURCES, Resource, field_value
from master.apiserver.followers import Followers
from master.apiserver.indexes import Indexes, Place
from master.apiserver.ordered_keys import OrderedKeys
from master.store.contract import Change, Record

# Bounds of what a watch can replay, for each resource.
HISTORY_EVENTS = 4096
HISTORY_BYTES = 8 * 2**20
_SPLICED = b'%b"resourceVersion":"%d",%b'


class _LabelsPart(msgspec.Struct):
    labels: dict[str, str] = {}


class _Labelled(msgspec.Struct):
    metadata: _LabelsPart


_labels_decoder = msgspec.json.Decoder(_Labelled)


def prefix_of(resource: Resource) -> str:
    """Under which keys the objects of a resource are stored: ``/pods/``, ``/leases.coordination.k8s.io/``."""
    return f"/{resource.qualified}/"


def splice_offset(resource: Resource) -> int:
    """Where the fields of the metadata begin in the encoded form of every object of a resource."""
    return len(f'{{"apiVersion":"{resource.api_version}","kind":"{resource.kind}","metadata":{{')


def splice(value: bytes, offset: int, revision: int) -> bytes:
    """The stored bytes with their resourceVersion."""
    return _SPLICED % (value[:offset], revision, value[offset:])


def watch_line(kind: str, body: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)


class Item:
    """One object at one revision; never changes."""

    __slots__ = ("_fields", "_labels", "key", "name", "namespace", "revision", "table", "wire")

    def __init__(self, table: "Table", key: str, value: bytes, revision: int) -> None:
        self.table = table
        self.key = key
        self.revision = revision
        self.wire = splice(value, table.offset, revision)
        self.namespace, self.name = table.names(key)
        self._labels: dict[str, str] | None = None
        self._fields: dict[str, str] | None = None

    def decode(self) -> Object:
        """A new typed object, with its resourceVersion."""
        return decode(self.wire, self.table.resource.type)

    def decode_beside_spec(self) -> Object:
        """As ``decode``, but for the spec, which is still JSON: for writes that leave it as it is."""
        return decode_beside_spec(self.wire, self.table.resource.type)

    @property
    def value(self) -> bytes:
        """The bytes as they are stored."""
        return b"".join(self._parts())

    def wire_at(self, revision: int) -> bytes:
        """The same content under another resourceVersion: the last state of an object that is gone."""
        begin, end = self._parts()
        return _SPLICED % (begin, revision, end)

    def _parts(self) -> tuple[bytes, bytes]:
        """What stands before the resourceVersion, and behind it."""
        offset = self.table.offset
        return self.wire[:offset], self.wire[offset + len(f'"resourceVersion":"{self.revision}",') :]

    @property
    def labels(self) -> dict[str, str]:
        if self._labels is None:
            self._labels = _labels_decoder.decode(self.wire).metadata.labels
        return self._labels

    @property
    def fields(self) -> dict[str, str]:
        """The values that field selectors of this resource may ask for."""
        if self._fields is None:
            self._fields = {"metadata.name": self.name, "metadata.namespace": self.namespace}
            if self.table.resource.fields:
                item = self.decode()
                for field, path in self.table.resource.fields.items():
                    self._fields[field] = field_value(item, path)
        return self._fields


class Event:
    """One commit of one object: created (no ``before``), changed, or gone (no ``after``)."""

    __slots__ = ("_gone", "_lines", "after", "before", "revision")

    def __init__(self, before: Item | None, after: Item | None, revision: int) -> None:
        self.before = before
        self.after = after
        self.revision = revision
        self._gone: bytes | None = None
        self._lines: dict[str, bytes] = {}

    @property
    def key(self) -> str:
        """Of the object."""
        item = self.after or self.before
        assert item is not None
        return item.key

    def line(self, kind: str, body: bytes) -> bytes:
        """The event as a watch sends it: made once for all watchers that see it as this kind of change."""
        line = self._lines.get(kind)
        if line is None:
            line = self._lines[kind] = watch_line(kind, body)
        return line

    def settle(self) -> None:
        """All followers have it: the history needs no lines."""
        self._lines.clear()
        self._gone = None

    @property
    def gone(self) -> bytes:
        """The state before, under the revision of the event: what a DELETED event shows."""
        if self._gone is None:
            assert self.before is not None
            self._gone = self.before.wire_at(self.revision)
        return self._gone

    @property
    def size(self) -> int:
        """Bytes that keeping this event in the history costs, about."""
        return len(self.after.wire) if self.after is not None else len(self.before.wire) if self.before else 0


class Follower(Protocol):
    """Who follows a table; must take the events at once and not raise."""

    def offer(self, events: list[Event]) -> None: ...


class Table:
    """The objects of one resource, in the order of their keys, and the latest events."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.prefix = prefix_of(resource)
        self.offset = splice_offset(resource)
        self.followers: Followers[Follower] = Followers()
        self.changed = 0
        """The revision of the last change of any object of this resource."""
        self.replay_from = 0
        """A watch can begin after this revision or any later one."""
        self._items: dict[str, Item] = {}
        self._keys = OrderedKeys()
        self._history: deque[Event] = deque()
        self._history_bytes = 0
        self._indexes: Indexes[Item] = Indexes()

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if self.resource.namespaced else self.prefix + name

    def names(self, key: str) -> tuple[str, str]:
        """Namespace and name of a key."""
        rest = key[len(self.prefix) :]
        if not self.resource.namespaced:
            return "", rest
        namespace, _, name = rest.partition("/")
        return namespace, name

    def get(self, namespace: str, name: str) -> Item | None:
        return self._items.get(self.key(namespace, name))

    def by_key(self, key: str) -> Item | None:
        return self._items.get(key)

    def items(self, namespace: str = "", *, after: str = "") -> list[Item]:
        """The objects of one namespace or of all, from the first key behind ``after`` on."""
        first, last = "", None
        if namespace and self.resource.namespaced:
            first, last = f"{self.prefix}{namespace}/", f"{self.prefix}{namespace}0"  # "0" follows "/"
        if after:
            first = max(first, after + "\0")
        found = self._items
        return [found[key] for key in self._keys.between(first, last)]

    def having(self, place: Place, values: Iterable[str], *, after: str = "") -> list[Item] | None:
        """The objects with one of the values of a label or field; None when that is not indexed."""
        keys = self._indexes.keys(place, values, self._items.values())
        if keys is None:
            return None
        return [self._items[key] for key in (keys[bisect_right(keys, after) :] if after else keys)]

    def items_at(self, revision: int, namespace: str = "", *, after: str = "") -> list[Item]:
        """As ``items``, but as they were at a revision, which must not be below ``replay_from``: what came later is
        taken back."""
        items = self.items(namespace, after=after)
        if revision >= self.changed:
            return items
        then: dict[str, Item | None] = {}
        for event in self.since(revision):
            then.setdefault(event.key, event.before)
        found = [item for item in items if item.key not in then]
        first = self.key(namespace, "") if namespace else self.prefix
        found += [item for key, item in then.items() if item is not None and key > after and key.startswith(first)]
        found.sort(key=lambda item: item.key)
        return found

    def load(self, records: Iterable[Record], revision: int) -> None:
        """Take over the committed state at the start."""
        for record in records:
            self._items[record.key] = Item(self, record.key, record.value, record.revision)
            self.changed = max(self.changed, record.revision)
        self._keys = OrderedKeys(self._items)
        self.replay_from = revision

    def apply(self, change: Change) -> Event:
        """Take over one commit."""
        before = self._items.get(change.key)
        after: Item | None = None
        if change.value is None:
            if self._items.pop(change.key, None) is not None:
                self._keys.remove(change.key)
        else:
            after = self._items[change.key] = Item(self, change.key, change.value, change.revision)
            if before is None:
                self._keys.add(change.key)
        self._indexes.replace(before, after)
        self.changed = change.revision
        event = Event(before, after, change.revision)
        self._remember(event)
        return event

    def _remember(self, event: Event) -> None:
        self._history.append(event)
        self._history_bytes += event.size
        while len(self._history) > HISTORY_EVENTS or self._history_bytes > HISTORY_BYTES:
            oldest = self._history.popleft()
            self._history_bytes -= oldest.size
            self.replay_from = oldest.revision

    def since(self, revision: int) -> list[Event]:
        """The events after a revision, which must not be below ``replay_from``."""
        newer: list[Event] = []
        for event in reversed(self._history):
            if event.revision <= revision:
                break
            newer.append(event)
        newer.reverse()
        return newer


class Cache:
    """The tables of all resources."""

    def __init__(self, resources: Iterable[Resource] = RESOURCES) -> None:
        self.revision = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        served = tuple(resources)
        own = [Table(one) for one in served if one.stored_as is None and not one.computed]
        by_kind = {table.resource.type: table for table in own}
        # A kind that is another form of a stored one shares its table.
        shared = {one.qualified: by_kind[one.stored_as] for one in served if one.stored_as is not None}
        self._tables = {table.resource.qualified: table for table in own} | shared
        self._by_segment = {table.prefix.strip("/"): table for table in own}

    def __iter__(self) -> Iterator[Table]:
        """The tables, each once."""
        return iter(self._by_segment.values())

    def table(self, resource: Resource) -> Table:
        return self._tables[resource.qualified]

    def item(self, key: str) -> Item | None:
        """Of any resource, by its key in the store."""
        table = self._by_segment.get(key.split("/", 2)[1])
        return table.by_key(key) if table is not None else None

    def load(self, load: Callable[[str], list[Record]], revision: int) -> None:
        """Read the committed state of the store at ``revision``."""
        for table in self:
            table.load(load(table.prefix), revision)
        self.revision = revision

    def advance(self, revision: int) -> None:
        """All up to a revision is here."""
        self.revision = max(self.revision, revision)
        if self._waiting:
            for wanted, future in self._waiting:
                if wanted <= self.revision and not future.done():
                    future.set_result(None)

    async def reached(self, revision: int, *, limit_s: float) -> bool:
        """Wait until all up to a revision is here; False when it was not in time."""
        if revision <= self.revision:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (revision, future)
        self._waiting.append(waiting)
        try:
            await asyncio.wait([future], timeout=limit_s)
        finally:
            self._waiting.remove(waiting)
        return revision <= self.revision

    def apply(self, changes: list[Change]) -> None:
        """One commit of the store: take it over and tell the followers, each once."""
        grouped: dict[Table, list[Event]] = {}
        for change in changes:
            table = self._by_segment.get(change.key.split("/", 2)[1])
            if table is not None:
                grouped.setdefault(table, []).append(table.apply(change))
        self.advance(changes[-1].revision)
        for table, events in grouped.items():
            for follower in table.followers.concerned(events):
                follower.offer(events)
            for event in events:
                event.settle()

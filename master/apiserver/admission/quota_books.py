"""What is used of the quotas of each namespace, in memory, exact at every moment.

The rule: an object counts from the moment its write is admitted. A check that passes notes the rise as pending in the
same turn of the event loop, so that of two clients and one last slot exactly one wins; the commit turns what is pending
into use, a failed write gives it back. Only namespaces that have a quota are counted at all.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

from api.core.quota import ResourceQuota
from api.resources import resource_of
from master.apiserver.admission.quota_usage import Limits, Measured, Usage, limits_of, measured
from master.apiserver.cache import Cache, Event, Item, Table

# Kubernetes counts no events either: there are too many, and they go by themselves.
UNCOUNTED = ("events", "events.events.k8s.io")


ORPHAN_S = 300.0
"""How long an admitted write counts of which nothing more is heard."""


@dataclass(slots=True)
class Account:
    """One quota and what is used of it."""

    limits: Limits
    used: Usage = field(default_factory=dict)

    def add(self, entry: Measured | None, sign: int) -> bool:
        """Whether anything changed."""
        usage = self.limits.usage(entry)
        for name, amount in usage.items():
            self.used[name] = self.used.get(name, Decimal(0)) + sign * amount
        return bool(usage)


@dataclass(slots=True)
class Rise:
    """A write that was admitted and is not yet in the cache."""

    uid: str
    by_quota: dict[str, Usage]
    id: str = ""
    """Of this write, among several masters; as the fields below, empty for one master."""
    key: str = ""
    """Of the object."""
    base: int = 0
    """The object's revision that the write is made on; 0 for a new object."""
    at: float = 0.0
    """When it was admitted, in seconds since 1970."""


@dataclass(slots=True)
class Book:
    """One namespace. ``clock`` gives seconds since 1970."""

    clock: Callable[[], float]
    accounts: dict[str, Account] = field(default_factory=dict)
    entries: dict[str, Measured] = field(default_factory=dict)
    rises: list[Rise] = field(default_factory=list)
    noted: dict[str, Rise] = field(default_factory=dict)
    """Those that all masters know of, by identity."""

    def taken(self, account: Account) -> Usage:
        """What is used and what is pending."""
        total = dict(account.used)
        oldest = self.clock() - ORPHAN_S
        for rise in (*self.rises, *(rise for rise in self.noted.values() if rise.at > oldest)):
            for name, amount in rise.by_quota.get(account.limits.name, {}).items():
                total[name] = total.get(name, Decimal(0)) + amount
        return total


class Books:
    """The books of all namespaces. ``changed`` is told of every quota whose use, or limits, are new. ``clock`` gives
    seconds since 1970."""

    def __init__(self, cache: Cache, *, clock: Callable[[], float] = time.time) -> None:
        self._cache = cache
        self._clock = clock
        self._books: dict[str, Book] = {}
        self._noted: dict[str, dict[str, Rise]] = {}
        # Pods on their way out: when each is overdue, its namespace and key.
        self._going: list[tuple[float, str, str]] = []
        self.changed: Callable[[str, str], None] = lambda _namespace, _name: None

    def load(self) -> None:
        """Take over what is stored, and follow it."""
        self._quotas.followers.add(self)
        for item in self._quotas.items():
            self._open(item)
        self._follow()

    @property
    def _quotas(self) -> Table:
        return self._cache.table(resource_of(ResourceQuota))

    def _follow(self) -> None:
        """Other tables are followed while there is any quota: without one, counting costs nothing."""
        for table in self._tables():
            if table is self._quotas:
                continue
            if self._books:
                table.followers.add(self)
            else:
                table.followers.discard(self)

    def _tables(self) -> Iterator[Table]:
        for table in self._cache:
            resource = table.resource
            if resource.namespaced and resource.stored_as is None and resource.qualified not in UNCOUNTED:
                yield table

    def noted(self, namespace: str) -> dict[str, Rise]:
        """The rises of a namespace that all masters know of, by identity."""
        return self._noted.setdefault(namespace, {})

    def note(self, namespace: str, rises: Iterable[Rise]) -> None:
        """Takes over what all masters know of; what the cache shows already is counted there."""
        noted = self.noted(namespace)
        found = {rise.id: rise for rise in rises if not self._is_made(rise)}
        noted.clear()
        noted.update(found)
        book = self._books.get(namespace)
        if book is not None:
            book.rises = [rise for rise in book.rises if rise.id not in noted]

    def _is_made(self, rise: Rise) -> bool:
        item = self._cache.item(rise.key)
        return item is not None and item.revision > rise.base and item.decode().metadata.uid == rise.uid

    def of(self, namespace: str) -> Book | None:
        """None for a namespace without quotas."""
        self.pass_over()
        return self._books.get(namespace)

    @property
    def awaits(self) -> bool:
        """Whether time alone will change something: look at ``pass_over`` now and then."""
        return bool(self._going)

    def pass_over(self) -> None:
        """Counts no more the pods that should have gone by now."""
        while self._going and self._going[0][0] <= self._clock():
            overdue_at, namespace, key = heapq.heappop(self._going)
            book = self._books.get(namespace)
            entry = book.entries.get(key) if book is not None else None
            if book is not None and entry is not None and entry.overdue_at == overdue_at:
                book.entries[key] = entry.overdue()
                self._recount(book, namespace, entry, book.entries[key])

    def offer(self, events: list[Event]) -> None:
        for event in events:
            item = event.after if event.after is not None else event.before
            assert item is not None
            if item.table.resource.type is ResourceQuota:
                self._follow_quota(event, item)
            book = self._books.get(item.namespace)
            if book is not None:
                self._count(book, event, item)

    def _follow_quota(self, event: Event, item: Item) -> None:
        if event.after is not None:
            self._open(event.after)
            self._follow()
            return
        book = self._books.get(item.namespace)
        if book is not None:
            book.accounts.pop(item.name, None)
            if not book.accounts:
                del self._books[item.namespace]
                self._follow()

    def _open(self, item: Item) -> None:
        """A new quota, or new limits of one: its use is added up afresh; a change of its status is no news."""
        limits = limits_of(item.name, cast(ResourceQuota, item.decode()).spec)
        book = self._books.get(item.namespace)
        if book is None:
            book = self._books[item.namespace] = Book(
                self._clock, entries=self._entries(item.namespace), noted=self.noted(item.namespace)
            )
        present = book.accounts.get(item.name)
        if present is not None and present.limits == limits:
            return
        account = book.accounts[item.name] = Account(limits)
        for entry in book.entries.values():
            account.add(entry, 1)
        self.changed(item.namespace, item.name)

    def _entries(self, namespace: str) -> dict[str, Measured]:
        """Everything in a namespace, measured once."""
        return {item.key: self._measured(item) for table in self._tables() for item in table.items(namespace)}

    def _measured(self, item: Item) -> Measured:
        entry = measured(item.table.resource, item.decode())
        if entry.overdue_at is not None:
            heapq.heappush(self._going, (entry.overdue_at, item.namespace, item.key))
        return entry

    def _count(self, book: Book, event: Event, item: Item) -> None:
        before = book.entries.pop(item.key, None)
        after: Measured | None = None
        if event.after is not None:
            after = book.entries[item.key] = self._measured(event.after)
            uid = event.after.decode().metadata.uid
            book.rises = [rise for rise in book.rises if rise.uid != uid]
        for rise in [rise for rise in book.noted.values() if rise.key == item.key]:
            if rise.base < event.revision and item.decode().metadata.uid == rise.uid:
                del book.noted[rise.id]
        self._recount(book, item.namespace, before, after)

    def _recount(self, book: Book, namespace: str, before: Measured | None, after: Measured | None) -> None:
        for name, account in book.accounts.items():
            if account.limits.usage(before) != account.limits.usage(after):
                account.add(before, -1)
                account.add(after, 1)
                self.changed(namespace, name)
            elif after is not None and after.overdue_at is not None:
                self.changed(namespace, name)

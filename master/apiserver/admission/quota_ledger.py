"""What several apiservers over one store have admitted and not yet made: a key for each namespace that has a quota.

The rule: before a write that uses more of a quota is made, it is noted in ``/quotas/NAMESPACE`` at the version of that
key by which its room was checked. Two masters that give away the same last slot meet there: the second one finds the
key changed and checks again. What was noted counts as used until the object is seen to have moved; as both are keys of
one store, every master sees them in the same order. Writes that wait at the same moment are noted together.

An entry of a write that was never made, as after a crash, counts for ``ORPHAN_S``, longer than any write can take.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec

from api.core.quota import ResourceQuota
from api.errors import ApiError, InternalError
from api.resources import resource_of
from master.apiserver.admission.quota_books import ORPHAN_S, Books, Rise
from master.apiserver.registry import Registry, refused
from master.store.contract import Change, KeyExists, KeyMissing, Record, RevisionConflict, StoreError

log = logging.getLogger(__name__)

PREFIX = "/quotas/"
_TRIES = 64
_TIDY_S = 0.5


class Entry(msgspec.Struct, omit_defaults=True):
    """One write: of which object, made from which version of it (0 for a new one), when, and how much more it uses."""

    id: str
    key: str
    uid: str
    at: float
    usage: dict[str, dict[str, str]]
    base: int = 0

    def rise(self) -> Rise:
        amounts = {name: {one: Decimal(text) for one, text in usage.items()} for name, usage in self.usage.items()}
        return Rise(self.uid, amounts, id=self.id, key=self.key, base=self.base, at=self.at)


def _entry(rise: Rise) -> Entry:
    usage = {name: {one: str(amount) for one, amount in usage.items()} for name, usage in rise.by_quota.items()}
    return Entry(rise.id, rise.key, rise.uid, rise.at, usage, rise.base)


_decoder = msgspec.json.Decoder(list[Entry])


class _Wait(msgspec.Struct):
    """A write that waits to be noted; ``check`` raises when there is no room for it any more."""

    rise: Rise
    check: Callable[[], None]
    done: asyncio.Future[None]


class QuotaLedger:
    """It follows its own keys, and tells the books what others have noted."""

    def __init__(self, registry: Registry, books: Books) -> None:
        self._registry = registry
        self._store = registry.store
        self._books = books
        self._waiting: dict[str, list[_Wait]] = {}
        self._workers: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        # Of each namespace the noted writes that were not made.
        self._void: dict[str, set[str]] = {}

    def start(self) -> None:
        """To be called when cache and books are loaded; nothing waits here."""
        self._store.subscribe(self._heard)
        for record in self._store.load(PREFIX):
            self._take_over(record.key, record.value)

    async def stop(self) -> None:
        workers = [worker for worker, _ in self._workers.values()]
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers, timeout=5)

    async def note(self, namespace: str, rise: Rise, check: Callable[[], None]) -> None:
        """Returns when the rise is known to all masters. Raises what ``check`` does, or for a store that fails."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, []).append(_Wait(rise, check, done))
        self._wake(namespace)
        await done

    def cancel(self, namespace: str, rise: Rise) -> None:
        """The write was not made."""
        self._void.setdefault(namespace, set()).add(rise.id)
        self._books.noted(namespace).pop(rise.id, None)
        self._wake(namespace)

    def _wake(self, namespace: str) -> None:
        if namespace in self._workers:
            self._workers[namespace][1].set()
            return
        call = asyncio.Event()
        work = asyncio.get_running_loop().create_task(self._work(namespace, call), name=f"quota ledger {namespace}")
        self._workers[namespace] = (work, call)

    # What is in the store.

    def _heard(self, changes: list[Change]) -> None:
        for change in changes:
            if change.key.startswith(PREFIX):
                self._take_over(change.key, change.value or b"[]")

    def _take_over(self, key: str, value: bytes) -> None:
        namespace = key[len(PREFIX) :]
        void = self._void.get(namespace, ())
        self._books.note(namespace, [entry.rise() for entry in _decoder.decode(value) if entry.id not in void])

    async def _work(self, namespace: str, call: asyncio.Event) -> None:
        try:
            while True:
                while waiting := self._waiting.pop(namespace, []):
                    await self._note_all(namespace, waiting)
                await _called(call)
                if namespace not in self._waiting and await self._tidied(namespace) and namespace not in self._waiting:
                    return
        finally:
            # Only when the server stops is anybody left.
            del self._workers[namespace]
            for wait in self._waiting.pop(namespace, []):
                wait.done.cancel()

    async def _note_all(self, namespace: str, waiting: list[_Wait]) -> None:
        try:
            for _ in range(_TRIES):
                record = self._store.get(PREFIX + namespace)
                waiting = [one for one in waiting if not one.done.done() and _has_room(one)]
                if not waiting or await self._written(namespace, record, [one.rise for one in waiting]):
                    break
            else:
                raise InternalError("the quota ledger changed at every try")
        except StoreError as error:
            told = refused(error, resource_of(ResourceQuota), namespace)
            _end(waiting, told)
        except ApiError as error:
            _end(waiting, error)
        except BaseException:
            for one in waiting:
                one.done.cancel()
            raise
        else:
            _end(waiting, None)

    async def _written(self, namespace: str, record: Record | None, more: list[Rise]) -> bool:
        """False when another master was quicker; then what it wrote is known here."""
        entries = [*self._kept(namespace, record), *(_entry(rise) for rise in more)]
        value = msgspec.json.encode(entries)
        key = PREFIX + namespace
        try:
            if record is None:
                if entries:
                    await self._store.create(key, value)
            elif not entries:
                await self._store.delete(key, expected=record.revision)
            elif value != record.value:
                await self._store.update(key, value, expected=record.revision)
        except (KeyExists, KeyMissing, RevisionConflict):
            return False
        void = self._void.pop(namespace, set()) & {entry.id for entry in entries}
        if void:
            # Given up while they were being written.
            self._void[namespace] = void
        return True

    def _kept(self, namespace: str, record: Record | None) -> list[Entry]:
        """The entries that still mean something."""
        if record is None:
            return []
        pending, void = self._books.noted(namespace), self._void.get(namespace, ())
        entries, oldest = _decoder.decode(record.value), time.time() - ORPHAN_S
        return [one for one in entries if one.id in pending and one.id not in void and one.at > oldest]

    async def _tidied(self, namespace: str) -> bool:
        """Whether nothing of the ledger is left to be done here."""
        record = self._store.get(PREFIX + namespace)
        if record is None:
            return True
        try:
            done = await self._written(namespace, record, [])
        except StoreError as error:
            log.warning("quota ledger not tidied namespace=%s error=%s", namespace, error)
            return True
        return done and not self._kept(namespace, self._store.get(PREFIX + namespace))


async def _called(call: asyncio.Event) -> None:
    """Until there is something to do, or time to tidy."""
    try:
        async with asyncio.timeout(_TIDY_S):
            await call.wait()
    except TimeoutError:
        return
    call.clear()


def _has_room(wait: _Wait) -> bool:
    try:
        wait.check()
    except ApiError as error:
        _end([wait], error)
        return False
    return True


def _end(waiting: list[_Wait], error: ApiError | None) -> None:
    for wait in waiting:
        if wait.done.done():
            continue
        if error is None:
            wait.done.set_result(None)
        else:
            wait.done.set_exception(error)

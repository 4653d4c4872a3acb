"""Keeps service addresses and node ports unique among several apiservers over one store.

The rule: a number is a key of the store (``/claims/clusterips/10.96.0.7``, the value is the service's UID), made before
the service that has it and removed after. The key is unique: of two masters that give out the same number one is told,
and takes another. What the allocators in memory know only spares most of these collisions.

What a crash leaves behind is put right by a round a minute: a claim whose service never came goes after ``orphan_s``,
longer than any write can be under way; a service without a claim (restored from a single master) gets one. Two services
with one number, which only a restore can bring, are told in the log and left to people, as in Kubernetes.
"""

import asyncio
import logging
import time
from collections import deque
from functools import partial
from typing import Protocol

from api.core import Service
from api.errors import InternalError
from api.resources import resource_of
from master.apiserver.cache import Event
from master.apiserver.registry import Registry, refused
from master.apiserver.reservation import Reservation, is_settled
from master.apiserver.service_numbers import ServiceNumbers
from master.apiserver.service_shapes import held_by
from master.store.contract import Change, KeyExists, KeyMissing, Record, RevisionConflict, StoreError

log = logging.getLogger(__name__)

PREFIX = "/claims/"
_ADDRESSES, _PORTS = f"{PREFIX}clusterips/", f"{PREFIX}nodeports/"
_TRIES = 32
_ROUND_S = 60.0
_ORPHAN_S = 300.0
_AGAIN_S = 1.0
_AT_ONCE = 100


class Claims(Protocol):
    """How services get their numbers."""

    async def start(self) -> None:
        """To be called when the cache is loaded."""

    async def complete(self, new: Service, old: Service | None, taken: Reservation, *, dry_run: bool) -> None:
        """Give a service the numbers it needs, before it is stored. Raises Invalid naming the field."""

    async def stop(self) -> None: ...


class SoleMaster:
    """A store that only one apiserver can open: its allocators in memory know all."""

    def __init__(self, numbers: ServiceNumbers) -> None:
        self._numbers = numbers

    async def start(self) -> None:
        return

    async def complete(self, new: Service, old: Service | None, taken: Reservation, *, dry_run: bool) -> None:  # noqa: ARG002
        self._numbers.complete(new, old, taken)

    async def stop(self) -> None:
        return


class SharedNumbers:
    """Claims as keys of the store. It follows the table of services and its own keys."""

    def __init__(
        self, registry: Registry, numbers: ServiceNumbers, *, orphan_s: float = _ORPHAN_S, round_s: float = _ROUND_S
    ) -> None:
        self._registry = registry
        self._store = registry.store
        self._numbers = numbers
        self._services = registry.cache.table(resource_of(Service))
        self._orphan_s = orphan_s
        self._round_s = round_s
        # Claims let go: key, owner, and the revision up to which a claim of that owner is meant.
        self._freed: deque[tuple[str, str, int]] = deque()
        self._wake = asyncio.Event()
        self._orphans: dict[tuple[str, int], float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._store.subscribe(self._heard)
        for record in self._store.load(PREFIX):
            self._numbers.hold_number(*_number(record.key), record.value.decode())
        self._services.followers.add(self)
        await self.repair(time.monotonic())
        self._task = asyncio.get_running_loop().create_task(self._run(), name="service claims")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    async def complete(self, new: Service, old: Service | None, taken: Reservation, *, dry_run: bool) -> None:
        try:
            await self._complete(new, old, taken, dry_run=dry_run)
        except BaseException:
            # The service itself was not sent: what other steps took for it is free for certain.
            taken.give_back()
            raise

    async def _complete(self, new: Service, old: Service | None, taken: Reservation, *, dry_run: bool) -> None:
        asked = (new.spec.cluster_ip, list(new.spec.cluster_ips), [port.node_port for port in new.spec.ports])
        health_check = new.spec.health_check_node_port
        for _ in range(_TRIES):
            attempt = Reservation()
            self._numbers.complete(new, old, attempt)
            if dry_run or await self._claim_all(new, old, attempt):
                taken.join(attempt)
                return
            attempt.give_back()
            new.spec.cluster_ip, new.spec.cluster_ips = asked[0], list(asked[1])
            for port, number in zip(new.spec.ports, asked[2], strict=True):
                port.node_port = number
            new.spec.health_check_node_port = health_check
        raise InternalError("failed to allocate a serviceIP or nodePort: other servers took each one that was tried")

    async def _claim_all(self, new: Service, old: Service | None, attempt: Reservation) -> bool:
        """False when another service has one of the numbers."""
        owner = new.metadata.uid
        wanted = _keys(new) - (_keys(old) if old is not None else set())
        try:
            for key in sorted(wanted):
                revision = await self._claim(key, owner)
                if not revision:
                    return False
                attempt.on_failure(partial(self._free, key, owner, revision), settled=True)
        except StoreError as error:
            told = refused(error, self._services.resource, new.metadata.name)
            attempt.give_back(settled=is_settled(told))
            raise told from error
        return True

    async def _claim(self, key: str, owner: str) -> int:
        """The revision of the claim; 0 when another owner has it."""
        while True:
            try:
                return await self._store.create(key, owner.encode())
            except KeyExists as error:
                found = error.record
            if found.value != owner.encode():
                self._numbers.hold_number(*_number(key), found.value.decode())
                return 0
            try:
                # Our own of an earlier write: at a new revision, so that nobody who means the old one removes it.
                return await self._store.update(key, owner.encode(), expected=found.revision)
            except (KeyMissing, RevisionConflict) as error:
                log.debug("claim moved key=%s error=%s", key, error)

    # What is let go.

    def offer(self, events: list[Event]) -> None:
        """Follow the services: numbers that one let go are free."""
        for event in events:
            before = event.before.decode() if event.before is not None else None
            after = event.after.decode() if event.after is not None else None
            if isinstance(before, Service):
                kept = _keys(after) if isinstance(after, Service) else set()
                for key in _keys(before) - kept:
                    self._free(key, before.metadata.uid, event.revision)

    def _heard(self, changes: list[Change]) -> None:
        """Follow the claims, also those of other masters."""
        for change in changes:
            if not change.key.startswith(PREFIX):
                continue
            if change.value is not None:
                self._numbers.hold_number(*_number(change.key), change.value.decode())
            elif change.previous is not None:
                self._numbers.give_back_number(*_number(change.key), change.previous.decode())

    def _free(self, key: str, owner: str, revision: int) -> None:
        self._freed.append((key, owner, revision))
        self._wake.set()

    async def _run(self) -> None:
        round_at = time.monotonic() + self._round_s
        while True:
            await self._woken(round_at)
            try:
                await self._release()
                if time.monotonic() >= round_at:
                    round_at = time.monotonic() + self._round_s
                    await self.repair(time.monotonic())
            except StoreError as error:
                # What was not removed now is an orphan of a later round.
                log.warning("claims not put right error=%s", error)
                await asyncio.sleep(_AGAIN_S)
            except Exception:  # one failed round must not end the task for good
                log.exception("claims not put right")
                await asyncio.sleep(_AGAIN_S)

    async def _woken(self, until: float) -> None:
        """Returns when something was let go, or it is time for a round."""
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _release(self) -> None:
        """What is let go meanwhile is for the next time, or a busy server would never come to its round."""
        for left in range(len(self._freed), 0, -_AT_ONCE):
            some = [self._freed.popleft() for _ in range(min(_AT_ONCE, left))]
            await asyncio.gather(*(self._remove(*one) for one in some))

    async def _remove(self, key: str, owner: str, revision: int) -> None:
        """Unless the same owner has claimed it again since."""
        record = self._store.get(key)
        if record is None or record.value != owner.encode() or record.revision > revision:
            return
        try:
            await self._store.delete(key, expected=record.revision)
        except (KeyMissing, RevisionConflict):
            return  # another master was quicker

    # What crashes left.

    async def repair(self, now: float) -> None:
        """One round. ``now`` is in monotonic seconds. Raises StoreError."""
        owners = await self._owners()
        claims = {record.key: record for record in self._store.load(PREFIX)}
        await self._end_orphans(claims, owners, now)
        missing = [
            (key, owner)
            for key, held in owners.items()
            for owner in held
            if key not in claims or claims[key].value.decode() not in held
        ]
        for start in range(0, len(missing), _AT_ONCE):
            await asyncio.gather(*(self._adopt(*one) for one in missing[start : start + _AT_ONCE]))
        for key, held in owners.items():
            if len(held) > 1:
                log.error("services share a number key=%s uids=%s", key, ",".join(sorted(held)))

    async def _owners(self) -> dict[str, set[str]]:
        """Who has each number, by what the services say."""
        owners: dict[str, set[str]] = {}
        for index, item in enumerate(self._services.items()):
            service = item.decode()
            assert isinstance(service, Service)
            for key in _keys(service):
                owners.setdefault(key, set()).add(service.metadata.uid)
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return owners

    async def _end_orphans(self, claims: dict[str, Record], owners: dict[str, set[str]], now: float) -> None:
        lone = [one for one in claims.values() if one.value.decode() not in owners.get(one.key, ())]
        self._orphans = {(one.key, one.revision): self._orphans.get((one.key, one.revision), now) for one in lone}
        for record in lone:
            if self._orphans[record.key, record.revision] <= now - self._orphan_s:
                log.info("claim without a service removed key=%s uid=%s", record.key, record.value.decode())
                await self._remove(record.key, record.value.decode(), record.revision)

    async def _adopt(self, key: str, owner: str) -> None:
        """A service that is there has its claim, unless it is another one's, which ends first if it is an orphan."""
        try:
            await self._store.create(key, owner.encode())
        except KeyExists as error:
            log.warning(
                "number is claimed by another key=%s uid=%s claimed=%s", key, owner, error.record.value.decode()
            )


def _keys(service: Service) -> set[str]:
    held = held_by(service)
    ports = {f"{_PORTS}{port}" for port in held.ports}
    return ports | {_ADDRESSES + held.address} if held.address else ports


def _number(key: str) -> tuple[str, int]:
    """The address of a claim, or else its port."""
    if key.startswith(_ADDRESSES):
        return key[len(_ADDRESSES) :], 0
    return "", int(key[len(_PORTS) :])

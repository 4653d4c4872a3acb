"""Several masters over one store are the endpoints of the service ``kubernetes``, as long as each is alive.

The rule: each writes its lease (``/masterleases/ADDRESS:PORT``) every ``renew_s``; one that has not changed for
``gone_s``, by the clock of whoever looks, counts as gone. So the clocks of hosts need not agree. One that ends cleanly
removes its lease, and the others see it at once. Whoever sees a difference puts the endpoints right.
"""

import asyncio
import logging
import time

from api.errors import ApiError
from master.apiserver.backend import Backend
from master.apiserver.bootstrap import announce
from master.store.contract import Change, KeyExists, KeyMissing, RevisionConflict, StoreError

log = logging.getLogger(__name__)

PREFIX = "/masterleases/"
_RENEW_S = 10.0
_GONE_S = 30.0
_AGAIN_S = 1.0


class Masters:
    """This master's lease, and a look at those of the others."""

    def __init__(
        self, backend: Backend, *, address: str, port: int, renew_s: float = _RENEW_S, gone_s: float = _GONE_S
    ) -> None:
        self._backend = backend
        self._store = backend.registry.store
        self._key = f"{PREFIX}{address}:{port}"
        self._renew_s = renew_s
        self._gone_s = gone_s
        # For each lease its revision, and since when it is that one (monotonic seconds).
        self._seen: dict[str, tuple[int, float]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises StoreError."""
        self._store.subscribe(self._heard)
        await self._renew()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="master lease")

    async def stop(self) -> None:
        """Leave the endpoints to the others."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task], timeout=5)
        try:
            await self._store.delete(self._key, expected=None)
        except StoreError as error:
            log.info("lease not removed key=%s error=%s", self._key, error)

    def _heard(self, changes: list[Change]) -> None:
        """A master came or went."""
        if any(change.key.startswith(PREFIX) and (change.created or change.value is None) for change in changes):
            self._wake.set()

    async def _run(self) -> None:
        renew_at = 0.0
        while True:
            try:
                if time.monotonic() >= renew_at:
                    await self._renew()
                    renew_at = time.monotonic() + self._renew_s
                self._wake.clear()
                await self.look(time.monotonic())
            except (StoreError, ApiError) as error:
                # Mostly another master that was quicker to say the same.
                log.info("endpoints of masters put off error=%s", error)
                await asyncio.sleep(_AGAIN_S)
                continue
            except Exception:  # one failed round must not end the task for good
                log.exception("endpoints of masters failed")
                await asyncio.sleep(_AGAIN_S)
                continue
            try:
                async with asyncio.timeout(max(0.0, renew_at - time.monotonic())):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _renew(self) -> None:
        try:
            await self._store.update(self._key, b"{}", expected=None)
        except KeyMissing:
            try:
                await self._store.create(self._key, b"{}")
            except KeyExists as error:
                log.debug("lease made by an earlier try key=%s", error.key)

    async def look(self, now: float) -> None:
        """Put the endpoints right. ``now`` is in monotonic seconds. Raises StoreError, ApiError."""
        leases = {record.key: record.revision for record in self._store.load(PREFIX)}
        self._seen = {
            key: self._seen[key] if key in self._seen and self._seen[key][0] == revision else (revision, now)
            for key, revision in leases.items()
        }
        alive = {self._key}
        for key, (revision, since) in self._seen.items():
            if key == self._key or since > now - self._gone_s:
                alive.add(key)
            else:
                await self._remove(key, revision)
        await announce(self._backend, [_place(key) for key in alive])

    async def _remove(self, key: str, revision: int) -> None:
        log.warning("master gone lease=%s", key)
        try:
            await self._store.delete(key, expected=revision)
        except (KeyMissing, RevisionConflict) as error:
            log.debug("lease changed meanwhile key=%s error=%s", key, error)


def _place(key: str) -> tuple[str, int]:
    address, _, port = key[len(PREFIX) :].rpartition(":")
    return address, int(port)

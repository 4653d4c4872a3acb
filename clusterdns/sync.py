"""Keeps the zone equal to the services and endpoints that the informers hold.

The rule: level-triggered. A change only says which service to look at again; what is then written is what the
stores hold at that time. Changes are taken up in batches by one thread, and saved to disk after a short rest.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from clusterdns.records import ServiceNames
from clusterdns.snapshot import load_names, save_names
from clusterdns.zone import Key, Zone

log = logging.getLogger(__name__)

SAVE_AFTER_S = 1.0  # lets a burst of changes cost one write
JOIN_S = 5.0
Lookup = Callable[[Key], ServiceNames | None]


class NameSync:
    """The thread that writes the zone."""

    def __init__(self, zone: Zone, lookup: Lookup, *, state_file: Path) -> None:
        self._zone, self._lookup, self._state_file = zone, lookup, state_file
        self._wake = threading.Condition()
        self._dirty: set[Key] = set()  # bounded by the services there are
        self._listed = self._complete = self._stopping = False
        self._save_at: float | None = None
        self._thread = threading.Thread(target=self._work, name="dns-names", daemon=True)

    def restore(self) -> None:
        """Answer from the last known names until the master has been heard."""
        services = load_names(self._state_file)
        if services is None:
            return
        for service in services:
            self._put(service)
        self._zone.mark_synced()
        log.info("names restored services=%d file=%s", len(services), self._state_file)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and join the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout=JOIN_S)

    def changed(self, keys: Iterable[Key]) -> None:
        """Look at these services again, soon; never blocks on the zone.

        Until everything is listed they wait: a service whose endpoints are not known yet would lose its names.
        """
        with self._wake:
            self._dirty.update(keys)
            self._wake.notify()

    def all_listed(self, keys: set[Key]) -> None:
        """The informers hold everything: forget restored services that are gone, then deny unknown names."""
        held = {(service.namespace, service.name) for service in self._zone.services()}
        with self._wake:
            self._listed = self._complete = True
            self._dirty |= held | keys
            self._wake.notify()

    def _work(self) -> None:
        stopping = False
        while not stopping:
            with self._wake:
                self._wake.wait_for(self._awaited, timeout=self._rest_s())
                dirty = self._take_dirty()
                listed, self._listed = self._listed, False
                stopping = self._stopping
            for key in dirty:
                self._refresh(key)
            if listed:
                self._zone.mark_synced()
                log.info("names synced services=%d", len(self._zone.services()))
            if self._save_at is not None and (stopping or time.monotonic() >= self._save_at):
                self._save()

    def _awaited(self) -> bool:
        return bool((self._dirty and self._complete) or self._listed or self._stopping)

    def _take_dirty(self) -> set[Key]:
        if not self._complete:
            return set()
        dirty, self._dirty = self._dirty, set()
        return dirty

    def _rest_s(self) -> float | None:
        """Until the next save is due; for ever when none is."""
        return None if self._save_at is None else max(self._save_at - time.monotonic(), 0)

    def _refresh(self, key: Key) -> None:
        try:
            service = self._lookup(key)
        except Exception:
            log.exception("lookup failed service=%s/%s", *key)
            return
        if service is None:
            self._zone.remove(*key)
        else:
            self._put(service)
        if self._save_at is None:
            self._save_at = time.monotonic() + SAVE_AFTER_S

    def _put(self, service: ServiceNames) -> None:
        try:
            self._zone.put(service)
        except ValueError as error:
            log.error("service has no names service=%s/%s error=%s", service.namespace, service.name, error)

    def _save(self) -> None:
        self._save_at = None
        try:
            save_names(self._state_file, self._zone.services())
        except OSError as error:
            log.error("names not saved file=%s error=%s", self._state_file, error)

"""A copy of the objects of one kind, kept current by list and watch.

The copy is level-triggered: after any trouble it lists again and tells the difference, so that a listener sees every
state that lasts, and misses nothing for good. While the master is away the copy stays as it was.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from api.errors import ApiError, Expired, Gone, NotFound, Timeout
from api.meta import Object
from client.client import Client, Watch
from client.sharing import Sharing
from client.transport import Unreachable

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Object)
Key = tuple[str, str]
Listener = Callable[[T | None, T | None], None]

_FIRST_DELAY_S = 0.2
_LAST_DELAY_S = 5.0
# A watch that ends sooner without a word was refused in effect.
_LASTED_S = 1.0
_WATCH_S = (300, 600)
# A master that has not yet seen what another one told us is asked again; listing there would lead back in time. One
# that never catches up (its state was restored) is believed in the end.
_BEHIND_MAX = 5
_LOOK_AGAIN_S = 60.0
_EXPIRED_ONCE_S = 10.0


class Informer(Generic[T]):
    """A thread that keeps the copy.

    ``on_change(old, new)`` is called in that thread: old is None for a new object, new is None for one that is gone. It
    must be quick and must not raise; put a key into a work queue.

    ``optional`` is for a kind that not every API server has: one that does not serve it is taken to have none, and is
    asked again from time to time, for it may be replaced by a newer one. ``metadata_only`` keeps nothing else of the
    objects; ``keep`` makes of an object what is kept of it, at least its name, UID and version. Managed fields are
    never kept.
    """

    def __init__(
        self,
        client: Client,
        kind: type[T],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        on_change: Listener[T] | None = None,
        optional: bool = False,
        metadata_only: bool = False,
        keep: Callable[[T], T] | None = None,
    ) -> None:
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._optional = optional
        self._metadata_only = metadata_only
        self._keep = keep
        self._served = True
        self._listeners: list[Listener[T]] = [on_change] if on_change else []
        self._items: dict[Key, T] = {}
        self._indexes: dict[str, _Index[T]] = {}
        self._lock = threading.Lock()
        self._synced = threading.Event()
        self._stopping = threading.Event()
        self._watch: Watch[T] | None = None
        self._sharing = Sharing()
        self._version = ""
        self._behind = 0
        self._expired_at = -_EXPIRED_ONCE_S
        self._delay_s = _FIRST_DELAY_S
        self._thread = threading.Thread(target=self._run, name=f"informer-{kind.__name__.lower()}", daemon=True)

    @property
    def kind(self) -> type[T]:
        return self._kind

    def add_listener(self, listener: Listener[T]) -> None:
        """Before ``start`` only, so that no change is missed."""
        self._listeners.append(listener)

    def add_index(self, name: str, values: Callable[[T], Iterable[str]]) -> None:
        """Before ``start`` only. ``values`` gives the values under which ``indexed(name, value)`` finds an object."""
        self._indexes[name] = _Index(values)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        self._stopping.set()
        with self._lock:
            watch = self._watch
        if watch is not None:
            watch.stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def wait_synced(self, timeout_s: float | None = None) -> bool:
        """Whether the first list has been taken in, waiting up to ``timeout_s``."""
        return self._synced.wait(timeout_s)

    @property
    def synced(self) -> bool:
        return self._synced.is_set()

    @property
    def served(self) -> bool:
        """False when the server does not have this kind (only with ``optional``)."""
        return self._served

    @property
    def following(self) -> bool:
        """Whether a watch is open, so that the copy is as fresh as can be known."""
        return self._watch is not None

    def get(self, namespace: str, name: str) -> T | None:
        """The object as last seen, or None. Treat it as read-only: it is shared."""
        return self._items.get((namespace, name))

    def items(self) -> list[T]:
        """All objects as last seen. Treat them as read-only: they are shared."""
        with self._lock:
            return list(self._items.values())

    def indexed(self, name: str, value: str) -> list[T]:
        """The objects that an index has under a value. Treat them as read-only: they are shared."""
        with self._lock:
            return [self._items[key] for key in self._indexes[name].keys.get(value, ())]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._list()
                if not self._follow():
                    self._pause("ended at once")
            except (Expired, Gone):
                self._list_again()
            except NotFound as error:
                self._not_served(str(error))
            except ApiError as error:
                self._behind = self._behind + 1 if isinstance(error, Timeout) else 0
                if not 0 < self._behind < _BEHIND_MAX:
                    self._version = ""
                self._pause(str(error))
            except Unreachable as error:
                self._pause(str(error))

    def _list_again(self) -> None:
        """At once: a server that was started again knows no older versions, and is not in trouble for that. One that
        says so again and again is.
        """
        log.info("watch expired, listing again kind=%s", self._kind.__name__)
        if time.monotonic() - self._expired_at > _EXPIRED_ONCE_S:
            self._delay_s = _FIRST_DELAY_S
        self._version, self._expired_at = "", time.monotonic()
        self._pause("expired")

    def _not_served(self, why: str) -> None:
        self._version = ""
        if not self._optional:
            self._pause(why)
            return
        if self._served:
            log.info("the server does not have this kind, going without kind=%s", self._kind.__name__)
        self._served = False
        self._synced.set()
        self._stopping.wait(_LOOK_AGAIN_S)

    def _pause(self, why: str) -> None:
        """Waits longer each time until a watch brings something: a server in trouble must not be stormed."""
        if self._stopping.is_set():
            return
        log.warning("watch broken kind=%s error=%s retry_s=%.1f", self._kind.__name__, why, self._delay_s)
        self._stopping.wait(self._delay_s * random.uniform(0.8, 1.2))
        self._delay_s = min(self._delay_s * 2, _LAST_DELAY_S)

    def _list(self) -> None:
        listing = self._client.list(
            self._kind,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            metadata_only=self._metadata_only,
            keep=self._kept,
        )
        fresh = {_key(item): self._sharing.share(item) for item in listing.items}
        before = dict(self._items)
        for key, item in fresh.items():
            old = before.get(key)
            if old is None or old.metadata.resource_version != item.metadata.resource_version:
                self._change(key, old, item)
        for key, old in before.items():
            if key not in fresh:
                self._replace(key, old, None)
        self._version = listing.resource_version
        self._served = True
        self._synced.set()

    def _follow(self) -> bool:
        """Takes in changes until the watch ends; whether it brought any, or at least lasted."""
        began, brought = time.monotonic(), False
        watch = self._client.watch(
            self._kind,
            self._namespace,
            resource_version=self._version,
            labels=self._labels,
            fields=self._fields,
            timeout_s=random.randint(*_WATCH_S),
            metadata_only=self._metadata_only,
        )
        with self._lock:
            self._watch = watch
        if self._stopping.is_set():
            # stop() may have run before it could see this watch.
            watch.stop()
        try:
            for event in watch:
                self._take(event.type, event.object)
                brought, self._delay_s, self._behind = True, _FIRST_DELAY_S, 0
        finally:
            with self._lock:
                self._watch = None
            watch.close()
        return brought or time.monotonic() - began > _LASTED_S

    def _kept(self, item: T) -> T:
        # Nobody here reads them, and under Kubernetes they are half of many an object.
        item.metadata.managed_fields = []
        return self._keep(item) if self._keep is not None else item

    def _take(self, event_type: str, item: T) -> None:
        if event_type != "BOOKMARK":
            kept = self._kept(item)
            key = _key(kept)
            before = self._items.get(key)
            self._change(key, before, None if event_type == "DELETED" else self._sharing.share(kept, before))
        self._version = item.metadata.resource_version

    def _change(self, key: Key, old: T | None, new: T | None) -> None:
        if old is None and new is None:
            return
        if old is not None and new is not None and old.metadata.uid != new.metadata.uid:
            # Another object of the same name: that the first one has gone must not be missed.
            self._replace(key, old, None)
            old = None
        self._replace(key, old, new)

    def _replace(self, key: Key, old: T | None, new: T | None) -> None:
        with self._lock:
            if new is None:
                self._items.pop(key, None)
            else:
                self._items[key] = new
            for index in self._indexes.values():
                index.replace(key, old, new)
        for listener in self._listeners:
            try:
                listener(old, new)
            except Exception:
                # The door of this thread: a fault in one listener must not blind all others.
                log.exception("listener broke kind=%s key=%s/%s", self._kind.__name__, *key)


class _Index(Generic[T]):
    """Which keys stand under which value."""

    def __init__(self, values: Callable[[T], Iterable[str]]) -> None:
        self._values = values
        self.keys: dict[str, dict[Key, None]] = {}

    def replace(self, key: Key, old: T | None, new: T | None) -> None:
        before = self._values(old) if old is not None else ()
        after = self._values(new) if new is not None else ()
        if before == after:
            return
        gone, come = set(before), set(after)
        for value in gone - come:
            keys = self.keys[value]
            keys.pop(key, None)
            if not keys:
                del self.keys[value]
        for value in come - gone:
            self.keys.setdefault(value, {})[key] = None


def _key(item: Object) -> Key:
    return item.metadata.namespace, item.metadata.name

"""What is on Docker, kept current by its events and repaired by a slow full look. Nothing is inspected twice unchanged.

The rule: a look that began later wins, whoever took it (the event thread, the full look, a worker after its own call),
and whatever it saw: Docker tells of a container that it is just making, and may not find it a moment later. A listener
is told the uid of a pod whose containers changed. While Docker does not answer, everything stays as it was seen last.
Inspects are made by a crew of their own: a container that Docker cannot describe (its lock is held by a call that
hangs) delays news of no other.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from agent.crew import Crew
from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure, RuntimeRefusal
from agent.runtime.records import CLUSTER, ContainerRecord
from client import WorkQueue

log = logging.getLogger(__name__)

_FIRST_DELAY_S, _LAST_DELAY_S = 0.2, 5.0
_GONE_REMEMBERED = 4096
_INSPECTORS = 2
_SETTLE_S = 5.0


class ContainerCache:
    """Thread-safe. ``start`` begins its crew, ``stop`` ends it."""

    def __init__(self, docker: Docker, on_change: Callable[[str], None]) -> None:
        self._docker = docker
        self._on_change = on_change
        self._lock = threading.Lock()
        self._records: dict[str, tuple[int, ContainerRecord]] = {}
        self._gone: dict[str, int] = {}
        self._serial = itertools.count(1)
        self._idle = threading.Condition()
        self._asked: set[str] = set()
        self._looks: WorkQueue[str] = WorkQueue(base_s=1.0, cap_s=30.0)
        self._crew = Crew("inspect", threads=_INSPECTORS, take=self._looks.get, work=self._look_now)

    def start(self) -> None:
        self._crew.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        self._looks.close()
        self._crew.join(timeout_s)

    def of_pod(self, uid: str) -> tuple[ContainerRecord, ...]:
        with self._lock:
            return tuple(record for _, record in self._records.values() if record.uid == uid)

    def all(self) -> tuple[ContainerRecord, ...]:
        with self._lock:
            return tuple(record for _, record in self._records.values())

    def get(self, container_id: str) -> ContainerRecord | None:
        with self._lock:
            found = self._records.get(container_id)
        return found[1] if found else None

    def refresh(self, container_id: str) -> ContainerRecord | None:
        """Inspects one container now. Raises RuntimeFailure."""
        serial = next(self._serial)
        record = self._docker.inspect(container_id)
        if record is None:
            self._seen_gone(container_id, serial)
            return None
        with self._lock:
            known = self._records.get(record.id)
            if self._gone.get(record.id, 0) > serial or (known and known[0] > serial):
                return known[1] if known else None
            self._gone.pop(record.id, None)
            self._records[record.id] = (serial, record)
        if known is None or known[1] != record:
            self._on_change(record.uid)
        return record

    def drop(self, container_id: str) -> None:
        """It is gone now."""
        self._seen_gone(container_id, next(self._serial))

    def _seen_gone(self, container_id: str, serial: int) -> None:
        with self._lock:
            known = self._records.get(container_id)
            if known and known[0] > serial:
                return
            self._records.pop(container_id, None)
            self._gone[container_id] = serial
            while len(self._gone) > _GONE_REMEMBERED:
                self._gone.pop(next(iter(self._gone)))
        if known:
            self._on_change(known[1].uid)

    def relist(self) -> None:
        """Compares with one list from Docker and inspects what differs. Raises RuntimeFailure when the list fails.

        What is not inspected within the limit is inspected on: all others are known when this returns.
        """
        with self._lock:
            before = {identity: record for identity, (_, record) in self._records.items()}
        serial = next(self._serial)
        rows = self._docker.states()
        for identity in before.keys() - rows.keys():
            self._seen_gone(identity, serial)
        stale = set()
        for identity, state in rows.items():
            known = before.get(identity)
            if known is None or known.running != (state in ("running", "paused")):
                stale.add(identity)
        for identity in stale:
            self.look(identity)
        with self._idle:
            self._idle.wait_for(lambda: not stale & self._asked, _SETTLE_S)

    def look(self, identity: str) -> None:
        """Has one container inspected, soon; told to the listener if it has changed."""
        with self._idle:
            self._asked.add(identity)
        self._looks.add(identity)

    def _look_now(self, identity: str) -> None:
        try:
            self.refresh(identity)
            self._looks.forget(identity)
        except RuntimeRefusal as error:
            log.warning("inspect failed container=%.12s error=%s", identity, error)
        except RuntimeFailure as error:
            delay_s = self._looks.retry(identity)
            log.warning("inspect failed container=%.12s error=%s retry_s=%.1f", identity, error, delay_s)
        finally:
            with self._idle:
                self._asked.discard(identity)
                self._idle.notify_all()
            self._looks.done(identity)


class DockerWatch:
    """Two threads: one follows Docker's events, one takes the slow full look and tells whether Docker answers.

    ``on_round`` is called after each full look, and may raise RuntimeFailure; ``on_image`` when an image has appeared.
    ``on_relist`` is told how many seconds a full look took.
    ``problem``: why Docker does not answer; empty when it does.
    """

    def __init__(
        self,
        docker: Docker,
        cache: ContainerCache,
        *,
        relist_s: float,
        on_image: Callable[[], None],
        on_round: Callable[[], None],
        on_relist: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._docker = docker
        self._cache = cache
        self._relist_s = relist_s
        self._on_image = on_image
        self._on_round = on_round
        self._on_relist = on_relist
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._relisting = threading.Lock()
        self._end_stream: Callable[[], None] | None = None
        self._threads = [
            threading.Thread(target=self._follow_always, name="agent-docker-events", daemon=True),
            threading.Thread(target=self._relist_always, name="agent-docker-relist", daemon=True),
        ]
        self.listed = threading.Event()
        self.problem = "Docker has not been asked yet"

    def start(self) -> None:
        self._cache.start()
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        self._stop.set()
        self._cache.stop()
        with self._lock:
            end_stream = self._end_stream
        if end_stream is not None:
            end_stream()
        for thread in self._threads:
            thread.join(timeout_s)

    def _follow_always(self) -> None:
        delay_s = _FIRST_DELAY_S
        while not self._stop.is_set():
            try:
                self._follow()
                delay_s = _FIRST_DELAY_S
                reason = "stream ended"
            except (RuntimeFailure, ValueError, KeyError, AttributeError) as error:
                # AttributeError: urllib3 meets a response that stop() has just closed.
                reason = f"{type(error).__name__}: {error}"
            if self._stop.is_set():
                return
            log.warning("docker events lost reason=%s retry_s=%.1f", reason, delay_s)
            self._stop.wait(delay_s)
            delay_s = min(delay_s * 2, _LAST_DELAY_S)

    def _follow(self) -> None:
        """The stream first, then the list: what happens between the two is not missed."""
        events = self._docker.events()
        with self._lock:
            self._end_stream = events.close
        try:
            if self._stop.is_set():
                return
            self._relist()
            self._on_image()
            for event in events:
                self._take(event)
        finally:
            with self._lock:
                self._end_stream = None
            events.close()

    def _take(self, event: Mapping[str, Any]) -> None:
        """One event. Those of other clusters' containers and of strangers are not ours to look at."""
        if event.get("Type") == "image":
            self._on_image()
            return
        actor = event.get("Actor") or {}
        if actor.get("Attributes", {}).get(CLUSTER) != self._docker.cluster:
            return
        identity, action = actor["ID"], event.get("Action")
        known = self._cache.get(identity)
        if action in ("destroy", "remove"):
            self._cache.drop(identity)
        elif not (action == "start" and known is not None and known.running):
            self._cache.look(identity)

    def _relist_always(self) -> None:
        while True:
            if self._stop.wait(self._relist_s if not self.problem else 1.0):
                return
            try:
                self._relist()
            except RuntimeFailure as error:
                if not self.problem:
                    log.warning("docker does not answer error=%s", error)
                self.problem = str(error)

    def _relist(self) -> None:
        with self._relisting:
            began = time.monotonic()
            self._cache.relist()
            self._on_relist(time.monotonic() - began)
            self._on_round()
        self.problem = ""
        self.listed.set()

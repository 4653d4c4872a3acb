"""The state: which containers run, what was read last, and a short history of each.

Readings are made when somebody asks, at most once in `cache_s`, and once in `housekeeping_interval_s` for the
history. State of a container is dropped when Docker says that it died, or when its cgroup turns out to be gone.
There is no thread for a container: one housekeeping thread serves all.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable

from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.event_log import CREATION, DELETION, OOM_KILL, EventLog
from cadvisor_lite.inventory import Inventory
from cadvisor_lite.readers import (
    READERS,
    CgroupGoneError,
    ContainerSample,
    Roots,
    find_cgroup,
    read_container,
    read_limits,
    read_machine,
    root_cgroup,
)
from cadvisor_lite.readers.files import KeptFiles, Spare, read_optional
from cadvisor_lite.readers.parsing import parse_diskstats
from cadvisor_lite.tracked import Snapshot, Tracked

log = logging.getLogger(__name__)

# Docker tells when it changes a limit; what others write to a cgroup is seen within so many rounds.
_LIMITS_ROUNDS = 6


class Monitor:
    """Thread-safe; also the sink of the Docker watch."""

    def __init__(self, config: Config) -> None:
        self._roots: Roots = config.roots
        self._cache_s = config.cache_s
        self._interval_s = config.housekeeping_interval_s
        self._history_length = config.history_length
        self._tracked_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._spare = Spare(config.kept_descriptors)
        self._root = Tracked(
            None, root_cgroup(self._roots), 1, deque(maxlen=self._history_length), KeptFiles(self._spare)
        )
        # Files of containers that are gone; closed by who reads, so that no descriptor is closed under a reading.
        self._leaving: deque[KeptFiles] = deque()
        self._containers: dict[str, Tracked] = {}
        self._machine = read_machine(self._roots)
        self._devices = self._read_devices()
        self._snapshot: Snapshot | None = None
        self._snapshot_at = 0.0
        self._round = 0
        self._inventory = Inventory(
            config.proc_root,
            per_round=config.count_per_round,
            tasks="cpuLoad" not in config.disable_metrics,
            failed=lambda tracked, error: self._count_failure(tracked, "holdings", error),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_house, name="cadvisor-housekeeping", daemon=True)
        self.events = EventLog()
        self.read_errors: Counter[str] = Counter(dict.fromkeys((*READERS, "cgroup", "holdings", "machine"), 0))

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        with self._read_lock:
            self._leaving.extend(tracked.files for tracked in self.all_tracked())
            self._close_left()

    # The sink of the Docker watch.

    def put(self, container: Container) -> None:
        """Adds a container or takes its new facts (after a rename, a restart, an update)."""
        try:
            cgroup = find_cgroup(container.pid, roots=self._roots)
        except CgroupGoneError:
            self.drop(container.id)
            return
        except (OSError, ValueError) as error:
            log.warning("cgroup not found container=%s pid=%d error=%r", container.id, container.pid, error)
            self.read_errors["cgroup"] += 1
            self.drop(container.id)
            return
        pid = container.pid if container.owns_network else None
        made = Tracked(container, cgroup, pid, deque(maxlen=self._history_length), KeptFiles(self._spare))
        with self._tracked_lock:
            known = self._containers.get(container.id)
            if known is not None and known.container is not None and known.container.pid == container.pid:
                made.history, made.files, made.holdings = known.history, known.files, known.holdings
            elif known is not None:
                self._leaving.append(known.files)
            self._containers[container.id] = made
        if known is None:
            self.events.add(cgroup.name, CREATION)

    def drop(self, container_id: str) -> None:
        with self._tracked_lock:
            known = self._containers.pop(container_id, None)
        if known is not None:
            self._left(known)

    def _left(self, tracked: Tracked) -> None:
        self._leaving.append(tracked.files)
        self.events.add(tracked.cgroup.name, DELETION)

    def ids(self) -> Iterable[str]:
        with self._tracked_lock:
            return tuple(self._containers)

    # Readings.

    def snapshot(self) -> Snapshot:
        """Everything, read now or at most `cache_s` ago. Callers at the same time share one reading."""
        with self._read_lock:
            if self._snapshot is None or time.monotonic() - self._snapshot_at >= self._cache_s:
                taken_at = time.monotonic()
                snapshot = self._read_all()
                self._snapshot, self._snapshot_at = snapshot, taken_at
                return snapshot
            return self._snapshot

    def all_tracked(self) -> tuple[Tracked, ...]:
        """The root first, then the containers by cgroup."""
        with self._tracked_lock:
            return (self._root, *sorted(self._containers.values(), key=lambda t: t.cgroup.name))

    def _read_all(self) -> Snapshot:
        self._close_left()
        before, rows = self.read_errors.total(), []
        for tracked in self.all_tracked():
            sample = self._read(tracked)
            if sample is not None:
                rows.append((tracked, sample))
        return Snapshot(self._machine, self._devices, tuple(rows), self.read_errors.total() - before)

    def _read(self, tracked: Tracked) -> ContainerSample | None:
        """None when the cgroup is gone: the container ended and Docker's event is on its way, or was lost."""
        try:
            if tracked.files.removed():
                raise CgroupGoneError(tracked.cgroup.name)
            sample = read_container(
                tracked.cgroup,
                tracked.network_pid,
                roots=self._roots,
                limits=tracked.limits,
                read=tracked.files,
                failed=lambda reader, error: self._count_failure(tracked, reader, error),
            )
        except CgroupGoneError:
            self._drop_gone(tracked)
            return None
        tracked.limits = sample.limits
        return sample

    def _count_failure(self, tracked: Tracked, reader: str, error: Exception) -> None:
        self.read_errors[reader] += 1
        if reader not in tracked.told:
            tracked.told.add(reader)
            log.warning("read failed cgroup=%s reader=%s error=%r", tracked.cgroup.name, reader, error)

    def _drop_gone(self, tracked: Tracked) -> None:
        """Drops this run of the container, not one that has taken its place since."""
        if tracked.container is None:
            return
        with self._tracked_lock:
            if self._containers.get(tracked.container.id) is not tracked:
                return
            del self._containers[tracked.container.id]
        self._left(tracked)

    def _close_left(self) -> None:
        while self._leaving:
            self._leaving.popleft().close()

    def _keep_house(self) -> None:
        while True:
            try:
                self.keep_house_once()
            except Exception:  # the guard of the thread: a lost round is logged, the next one is tried
                log.exception("housekeeping failed")
            if self._stop.wait(self._interval_s):
                return

    def keep_house_once(self) -> None:
        """Refreshes what changes slowly (machine, limits, what containers hold) and adds a sample to each history."""
        self._refresh_machine()
        for number, (tracked, sample) in enumerate(self.snapshot().tracked):
            if tracked.history:
                self._see_oom(tracked, tracked.history[-1], sample)
            tracked.history.append(sample)
            if (number + self._round) % _LIMITS_ROUNDS == 0:
                self._refresh_limits(tracked)
        self._round += 1
        self._inventory.step(self.all_tracked())

    def _refresh_machine(self) -> None:
        try:
            self._machine = read_machine(self._roots)
            self._devices = self._read_devices()
        except (OSError, ValueError, KeyError) as error:
            self._count_failure(self._root, "machine", error)

    def _refresh_limits(self, tracked: Tracked) -> None:
        tracked.files.look_again()
        try:
            tracked.limits = read_limits(tracked.cgroup)
        except (OSError, ValueError, KeyError) as error:
            self._count_failure(tracked, "limits", error)

    def _see_oom(self, tracked: Tracked, before: ContainerSample, now: ContainerSample) -> None:
        if (
            now.memory is not None
            and before.memory is not None
            and (now.memory.oom_kills or 0) > (before.memory.oom_kills or 0)
        ):
            self.events.add(tracked.cgroup.name, OOM_KILL)

    def _read_devices(self) -> dict[str, str]:
        return parse_diskstats(read_optional(f"{self._roots.proc}/diskstats") or b"")

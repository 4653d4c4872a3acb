"""The state: which containers run, what was read last, and a short history of each.

Readings are made when somebody asks, at most once in `cache_s`, and once in `housekeeping_interval_s` for the
history. State of a container is dropped when Docker says that it died, or when its cgroup turns out to be gone.
There is no thread for a container: one housekeeping thread serves all.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.readers import (
    Cgroup,
    CgroupGoneError,
    ContainerSample,
    Limits,
    MachineSample,
    Roots,
    find_cgroup,
    read_container,
    read_limits,
    read_machine,
    root_cgroup,
)
from cadvisor_lite.readers.files import read_optional
from cadvisor_lite.readers.parsing import parse_diskstats

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tracked:
    """One cgroup under watch. `container` is None for the root cgroup, the machine as a whole."""

    container: Container | None
    cgroup: Cgroup
    network_pid: int | None
    history: deque[ContainerSample]
    limits: Limits | None = None
    # The metrics' labels, written once; they hold for as long as the container lives.
    rendered_labels: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of everything. `devices`: "254:0" -> "vda". `errors`: cgroups that could not be read."""

    machine: MachineSample
    devices: dict[str, str]
    tracked: tuple[tuple[Tracked, ContainerSample], ...]
    errors: int


class Monitor:
    """Thread-safe; also the sink of the Docker watch."""

    def __init__(self, config: Config) -> None:
        self._roots: Roots = config.roots
        self._cache_s = config.cache_s
        self._interval_s = config.housekeeping_interval_s
        self._history_length = config.history_length
        self._tracked_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._root = Tracked(None, root_cgroup(self._roots), 1, deque(maxlen=self._history_length))
        self._containers: dict[str, Tracked] = {}
        self._machine = read_machine(self._roots)
        self._devices = self._read_devices()
        self._snapshot: Snapshot | None = None
        self._snapshot_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_house, name="cadvisor-housekeeping", daemon=True)
        self.read_errors = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5) -> None:
        self._stop.set()
        self._thread.join(timeout_s)

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
            self.read_errors += 1
            self.drop(container.id)
            return
        pid = container.pid if container.owns_network else None
        with self._tracked_lock:
            known = self._containers.get(container.id)
            same_run = known is not None and known.container is not None and known.container.pid == container.pid
            history = known.history if known is not None and same_run else deque(maxlen=self._history_length)
            self._containers[container.id] = Tracked(container, cgroup, pid, history)

    def drop(self, container_id: str) -> None:
        with self._tracked_lock:
            self._containers.pop(container_id, None)

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
        errors, rows = 0, []
        for tracked in self.all_tracked():
            try:
                sample = self._read(tracked)
            except (OSError, ValueError, KeyError) as error:
                errors += 1
                log.warning("read failed cgroup=%s error=%r", tracked.cgroup.name, error)
                continue
            if sample is not None:
                rows.append((tracked, sample))
        self.read_errors += errors
        return Snapshot(self._machine, self._devices, tuple(rows), errors)

    def _read(self, tracked: Tracked) -> ContainerSample | None:
        """None when the cgroup is gone: the container ended and Docker's event is on its way, or was lost."""
        try:
            sample = read_container(tracked.cgroup, tracked.network_pid, roots=self._roots, limits=tracked.limits)
        except CgroupGoneError:
            self._drop_gone(tracked)
            return None
        tracked.limits = sample.limits
        return sample

    def _drop_gone(self, tracked: Tracked) -> None:
        """Drops this run of the container, not one that has taken its place since."""
        if tracked.container is None:
            return
        with self._tracked_lock:
            if self._containers.get(tracked.container.id) is tracked:
                del self._containers[tracked.container.id]

    def _keep_house(self) -> None:
        while True:
            try:
                self.keep_house_once()
            except Exception:  # the guard of the thread: a lost round is logged, the next one is tried
                log.exception("housekeeping failed")
            if self._stop.wait(self._interval_s):
                return

    def keep_house_once(self) -> None:
        """Refreshes what changes slowly (machine, limits) and adds one sample to each history."""
        self._machine = read_machine(self._roots)
        self._devices = self._read_devices()
        for tracked, sample in self.snapshot().tracked:
            tracked.history.append(sample)
            tracked.limits = read_limits(tracked.cgroup)

    def _read_devices(self) -> dict[str, str]:
        return parse_diskstats(read_optional(f"{self._roots.proc}/diskstats") or b"")

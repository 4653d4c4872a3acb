"""What pods have on the disk of this node: measured in a slow round, for those who ask, and against their own limits.

A round costs a walk through the pods' files. So it covers only pods that have a limit, unless somebody has asked for
the figures of late; and the longer it took, the longer it rests: at most a twentieth of a core goes into it.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.config import Config
from agent.pods.local_limits import has_limits, over_limit
from agent.pods.store import PodStore
from agent.runtime.cache import ContainerCache
from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure
from agent.runtime.logs import log_files
from agent.runtime.records import ContainerRecord
from agent.volumes.usage import Room, Used, room_of, tree_usage
from api.core import Pod

log = logging.getLogger(__name__)

_RESTS = 20  # times as long as a round took
_WANTED_S = 300.0
_NOT_OURS = "kubernetes.io~nfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDisk:
    """A volume, and the file system that it is on: that of the node, or memory."""

    used: Used
    room: Room | None
    on_disk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDisk:
    """A container's own layer, and its log."""

    layer: Used
    logs: Used


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDisk:
    """What one pod has on this node, by volume and by container."""

    volumes: Mapping[str, VolumeDisk] = field(default_factory=dict)
    containers: Mapping[str, ContainerDisk] = field(default_factory=dict)
    time_s: float = 0.0

    @property
    def local(self) -> Used:
        """In all, without what is in memory."""
        containers = [part for one in self.containers.values() for part in (one.layer, one.logs)]
        return sum(containers, self.local_volumes)

    @property
    def local_volumes(self) -> Used:
        return sum((one.used for one in self.volumes.values() if one.on_disk), Used())


class DiskMeter:
    """Reads the disk when it is called. ``directory`` holds the pods' folders."""

    def __init__(self, docker: Docker, cache: ContainerCache, directory: Path) -> None:
        self._docker = docker
        self._cache = cache
        self._directory = directory

    def of(self, uid: str) -> PodDisk:
        newest: dict[str, ContainerRecord] = {}
        for record in sorted(self._cache.of_pod(uid), key=lambda one: (one.attempt, one.created_at)):
            if not record.is_sandbox:
                newest[record.container] = record
        return PodDisk(
            volumes=self._volumes(uid), time_s=time.time(),
            containers={
                name: ContainerDisk(layer=self._layer(one), logs=_logs(one.log_path)) for name, one in newest.items()
            },
        )  # fmt: skip

    def _volumes(self, uid: str) -> dict[str, VolumeDisk]:
        root = self._directory / uid / "volumes"
        found = {}
        for path in root.glob("*/*"):
            try:
                if path.parent.name != _NOT_OURS:
                    on_disk = path.stat().st_dev == root.stat().st_dev
                    found[path.name] = VolumeDisk(used=tree_usage(path), room=room_of(path), on_disk=on_disk)
            except OSError:
                continue  # the pod goes just now
        return found

    def _layer(self, record: ContainerRecord) -> Used:
        """Docker counts it when asked where the layer is no folder of its own (other drivers than overlay2): slow."""
        if record.layer:
            return tree_usage(Path(record.layer))
        try:
            return Used(self._docker.writable_size(record.id))
        except RuntimeFailure as error:
            log.warning("size of a container not known id=%.12s error=%s", record.id, error)
            return Used()


def _logs(path: str) -> Used:
    total = Used()
    for file in log_files(Path(path)) if path else ():
        try:
            total += Used(file.stat().st_size, 1)
        except OSError:
            continue  # rotated away meanwhile
    return total


class DiskWatch:
    """One thread. ``evict(pod, message)`` is called for each pod that is beyond a limit of its own."""

    def __init__(
        self,
        config: Config,
        store: PodStore,
        cache: ContainerCache,
        meter: DiskMeter,
        *,
        evict: Callable[[Pod, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._period_s = config.pressure_look_s
        self._store = store
        self._cache = cache
        self._meter = meter
        self._evict = evict
        self._clock = clock
        self._found: dict[str, PodDisk] = {}
        self._wanted_until = 0.0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent-disk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def latest(self) -> Mapping[str, PodDisk]:
        """By uid, as measured last; those not measured yet are missing, and will be soon."""
        first = self._clock() >= self._wanted_until
        self._wanted_until = self._clock() + _WANTED_S
        if first:
            self._wake.set()
        return dict(self._found)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self._wake.clear()
            try:
                self.look()
            except Exception:
                log.exception("looking at the pods' disk failed")
            rest_s = (time.monotonic() - began) * _RESTS
            self._stop.wait(rest_s)
            self._wake.wait(max(self._period_s - rest_s, 0.0))

    def look(self) -> None:
        everyone = self._clock() < self._wanted_until
        present = {record.uid for record in self._cache.all()}
        found = {}
        for pod in self._store.all():
            if pod.metadata.uid in present and (everyone or has_limits(pod)):
                disk = found[pod.metadata.uid] = self._meter.of(pod.metadata.uid)
                self._judge(pod, disk)
                if self._stop.is_set():
                    return
        self._found = found

    def _judge(self, pod: Pod, disk: PodDisk) -> None:
        uid = pod.metadata.uid
        runs = any(record.running and not record.is_sandbox for record in self._cache.of_pod(uid))
        message = over_limit(pod, disk) if runs and pod.metadata.deletion_timestamp is None else ""
        if message:
            log.warning("pod evicted pod=%s/%s message=%s", pod.metadata.namespace, pod.metadata.name, message)
            self._evict(pod, message)

"""How full the volumes of claims are, asked of their file systems when somebody scrapes.

A file server that is away must not hold up those who ask: each NFS mount is asked in a thread of its own, which is
waited for a moment, and not asked again before it has answered.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.pods.claims import Claimed
from agent.volumes.kinds import PREFIX
from agent.volumes.preparing import claims_of
from agent.volumes.removing import mount_points
from agent.volumes.usage import Room, room_of
from api.core import Pod

_PATIENCE_S = 1.0
_LABELS = ("namespace", "persistentvolumeclaim")
_FIGURES: tuple[tuple[str, str, Callable[[Room], int]], ...] = (
    ("capacity_bytes", "Capacity in bytes of the volume", lambda room: room.capacity_bytes),
    ("available_bytes", "Number of available bytes in the volume", lambda room: room.available_bytes),
    ("used_bytes", "Number of used bytes in the volume", lambda room: room.used.bytes),
    ("inodes", "Maximum number of inodes in the volume", lambda room: room.inodes),
    ("inodes_free", "Number of free inodes in the volume", lambda room: room.inodes_free),
    ("inodes_used", "Number of used inodes in the volume", lambda room: room.used.inodes),
)


class VolumeStats(Collector):
    """``pods``: those that are on this node; ``claims``: what stands behind a pod's claims, by name; ``directory``: of
    a pod's files, by its uid.
    """

    def __init__(
        self,
        pods: Callable[[], Iterable[Pod]],
        claims: Callable[[Pod], Mapping[str, Claimed]],
        directory: Callable[[str], Path],
    ) -> None:
        self._pods = pods
        self._claims = claims
        self._directory = directory
        self._asked: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            rooms = self._rooms()
        for name, text, read in _FIGURES:
            family = GaugeMetricFamily(f"kubelet_volume_stats_{name}", text, labels=_LABELS)
            for labels, room in rooms.items():
                family.add_metric(labels, read(room))
            yield family

    def _rooms(self) -> dict[tuple[str, str], Room]:
        """By namespace and claim: pods that share one have it once."""
        found: dict[tuple[str, str], Room] = {}
        mounts: Mapping[str, str] | None = None
        for pod, name, claimed in self._wanted():
            key = (pod.metadata.namespace, name)
            if key in found:
                continue
            room = None
            if claimed.host_path is not None:
                room = room_of(claimed.host_path.path)
            elif claimed.nfs is not None:
                mounts = mount_points() if mounts is None else mounts
                path = self._directory(pod.metadata.uid) / "volumes" / f"{PREFIX}~nfs" / claimed.volume
                room = self._patiently(str(path)) if str(path) in mounts else None
            if room is not None:
                found[key] = room
        return found

    def _wanted(self) -> Iterator[tuple[Pod, str, Claimed]]:
        for pod in self._pods():
            if claims_of(pod):
                for name, claimed in self._claims(pod).items():
                    yield pod, name, claimed

    def _patiently(self, path: str) -> Room | None:
        self._asked = {where: thread for where, thread in self._asked.items() if thread.is_alive()}
        if path in self._asked:
            return None
        answer: list[Room | None] = []
        thread = threading.Thread(target=lambda: answer.append(room_of(path)), name="agent-volume-stats", daemon=True)
        thread.start()
        thread.join(_PATIENCE_S)
        if thread.is_alive():
            self._asked[path] = thread
        return answer[0] if answer else None

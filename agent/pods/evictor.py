"""Watches how much the node has left, and makes room before the kernel does: unused images first, then pods.

One pod at a time, and the next one only when that one is gone and there is still too little.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.config import Config
from agent.node.facts import Pressure
from agent.pods.eviction import PIDS, Eviction, Shortage, choose, shortages
from agent.pods.store import PodStore
from agent.runtime.cache import ContainerCache
from agent.runtime.failures import RuntimeFailure
from agent.runtime.image_collector import ImageCollector
from api.core import Pod, PodStatus

log = logging.getLogger(__name__)

_IMAGES_EVERY = 30  # looks
Usage = Mapping[str, Mapping[str, int]]  # uid, container name, bytes or number


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """Where the evictor looks. memory, disk and pids: usage of all pods now; status: the newest of a pod."""

    pressure: Callable[[], Pressure]
    memory: Callable[[], Usage]
    disk: Callable[[], Usage]
    pids: Callable[[], Usage]
    status: Callable[[str], PodStatus | None]


class Evictor:
    """One thread. ``evict(pod, message)`` is called for the pod that has to go."""

    def __init__(
        self,
        config: Config,
        store: PodStore,
        cache: ContainerCache,
        images: ImageCollector,
        *,
        senses: Senses,
        evict: Callable[[Pod, str], None],
        tell_node: Callable[[str, str, str], None],
    ) -> None:
        self._config = config
        self._store = store
        self._cache = cache
        self._images = images
        self._senses = senses
        self._evict = evict
        self._tell_node = tell_node
        self._leaving = ""
        self._told: set[str] = set()
        self.evictions: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent-evictor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        turn = 0
        while not self._stop.wait(self._config.pressure_look_s):
            try:
                if turn % _IMAGES_EVERY == 0:
                    self._collect_images(force=False)
                self.look()
            except RuntimeFailure as error:
                log.warning("no room made error=%s", error)
            except Exception:
                log.exception("looking at pressure failed")
            turn += 1

    def look(self) -> Eviction | None:
        """One look, and the pod that goes for it."""
        found = shortages(self._config, self._senses.pressure())
        self._tell(found)
        if not found or self._is_leaving():
            return None
        if found[0].resource == "ephemeral-storage":
            self._collect_images(force=True)
            found = shortages(self._config, self._senses.pressure())
        return self._evict_for(found[0]) if found else None

    def _tell(self, found: list[Shortage]) -> None:
        """Once for each time that it begins."""
        resources = {shortage.resource for shortage in found}
        for shortage in found:
            if shortage.resource not in self._told:
                log.warning(
                    "node is low resource=%s available=%s threshold=%s",
                    shortage.resource, shortage.available, shortage.threshold,
                )  # fmt: skip
                told = f"Attempting to reclaim {shortage.resource}"
                self._tell_node("Warning", "EvictionThresholdMet", told)
        self._told = resources

    def _is_leaving(self) -> bool:
        """Whether the pod that was chosen last still has something that runs."""
        return any(record.running and not record.is_sandbox for record in self._cache.of_pod(self._leaving))

    def _collect_images(self, *, force: bool) -> None:
        done = self._images.look(force=force)
        if done is not None and not done.reached and not force:
            told = f"Failed to garbage collect required amount of images: {done.used_percent:.0f}% of the disk in use"
            self._tell_node("Warning", "FreeDiskSpaceFailed", told)

    def _evict_for(self, shortage: Shortage) -> Eviction | None:
        usage = {"memory": self._senses.memory, PIDS: self._senses.pids}.get(shortage.resource, self._senses.disk)()
        running = {record.uid for record in self._cache.all() if record.running and not record.is_sandbox}
        pods = [self._newest(pod) for pod in self._store.all() if pod.metadata.uid in running]
        chosen = choose(pods, usage, shortage)
        pod = self._store.get(chosen.uid) if chosen is not None else None
        if chosen is None or pod is None:
            log.warning("no pod can be evicted resource=%s", shortage.resource)
            return None
        self._leaving = chosen.uid
        self.evictions[shortage.resource] = self.evictions.get(shortage.resource, 0) + 1
        log.warning("pod evicted pod=%s/%s message=%s", pod.metadata.namespace, pod.metadata.name, chosen.message)
        self._evict(pod, chosen.message)
        return chosen

    def _newest(self, pod: Pod) -> Pod:
        status = self._senses.status(pod.metadata.uid)
        return pod if status is None else Pod(metadata=pod.metadata, spec=pod.spec, status=status)

"""/metrics/cadvisor: cadvisor_lite's readings of our own containers, taken at the moment of a scrape.

What changes slowly (file systems, limits) and what is counted one by one (bytes of a layer, open files, sockets) is
looked at then too, so many entries and no more, and not at every scrape.
"""

import threading
import time

from agent.runtime.cache import ContainerCache
from agent.runtime.records import CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID, TYPE, ContainerRecord
from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.metrics import render_containers, render_machine
from cadvisor_lite.monitor import Monitor
from cadvisor_lite.readers import ContainerSample
from cadvisor_lite.tracked import Snapshot

# Nobody asks the agent for what was.
_CONFIG = Config(housekeeping_interval_s=10.0, storage_duration_s=10.0)


class CadvisorMetrics:
    """Holds no thread: what is tracked is brought up to date from the cache before each reading."""

    def __init__(self, cache: ContainerCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._monitor: Monitor | None = None
        self._kept_at = float("-inf")

    def render(self) -> bytes:
        """Prometheus' text format. One scrape at a time; scrapes within a second share a reading."""
        snapshot = self.snapshot(thoroughly=True)
        return ("\n".join([*render_containers(snapshot), *render_machine(snapshot.machine)]) + "\n").encode()

    def samples(self) -> dict[str, ContainerSample]:
        """The newest reading of each running container, by id; of the machine as a whole under ''."""
        rows = self.snapshot().tracked
        return {row.container.id if row.container is not None else "": sample for row, sample in rows}

    def snapshot(self, *, thoroughly: bool = False) -> Snapshot:
        """Of all our running containers, which are brought up to date first."""
        with self._lock:
            if self._monitor is None:
                self._monitor = Monitor(_CONFIG)
            running = {record.id: record for record in self._cache.all() if record.running and record.pid}
            known = set(self._monitor.ids())
            for gone in known - running.keys():
                self._monitor.drop(gone)
            for new in running.keys() - known:
                self._monitor.put(_container(running[new]))
            if thoroughly and time.monotonic() - self._kept_at >= _CONFIG.housekeeping_interval_s:
                self._kept_at = time.monotonic()
                self._monitor.keep_house_once()
            return self._monitor.snapshot()


def _container(record: ContainerRecord) -> Container:
    labels = {
        CONTAINER_NAME: record.container,
        POD_NAME: record.pod_name,
        POD_NAMESPACE: record.namespace,
        POD_UID: record.uid,
        TYPE: "podsandbox" if record.is_sandbox else "container",
    }
    name = f"k8s_{record.container}_{record.pod_name}_{record.namespace}_{record.uid}_{record.attempt}"
    return Container(
        id=record.id,
        name=name,
        image=record.image,
        image_id=record.image_id,
        layer=record.layer,
        log_path=record.log_path,
        labels=labels,
        pid=record.pid,
        created_s=record.created_at.timestamp(),
        started_s=(record.started_at or record.created_at).timestamp(),
        owns_network=record.is_sandbox and not record.host_network,
    )

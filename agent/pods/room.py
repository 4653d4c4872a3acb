"""Room on the node: unused images go first, then pods in Kubernetes' order, and pods beyond limits of their own."""

from collections.abc import Callable

from agent.cadvisor import CadvisorMetrics
from agent.node.facts import Pressure
from agent.pods.disk import DiskMeter, DiskWatch
from agent.pods.ending import all_containers
from agent.pods.evictor import Evictor, Senses
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.pods.usage import PodUsage
from agent.pods.worker import Worker
from agent.runtime.daemon import Daemon
from agent.runtime.image_collector import ImageCollector, Marks


class Room:
    """The parts that measure and that make room. ``tell_node``: an event of the node (type, reason, message)."""

    def __init__(
        self,
        around: Surroundings,
        store: PodStore,
        worker: Worker,
        *,
        daemon: Daemon,
        cadvisor: CadvisorMetrics,
        pressure: Callable[[], Pressure],
        tell_node: Callable[[str, str, str], None],
    ) -> None:
        config, cache = around.config, around.cache
        self._around = around
        self._store = store
        meter = DiskMeter(around.docker, cache, config.data_dir / "pods")
        usage = PodUsage(cache, cadvisor.samples, meter)
        collector = ImageCollector(
            around.docker, Marks(config.image_gc_high_percent, config.image_gc_low_percent),
            used_percent=daemon.image_disk_percent, wanted=self._wanted_images,
        )  # fmt: skip
        self.disk = DiskWatch(config, store, cache, meter, evict=worker.evict)
        self.evictor = Evictor(
            config, store, cache, collector,
            senses=Senses(
                pressure=pressure, memory=usage.memory, disk=usage.disk, pids=usage.pids, status=worker.status
            ),
            evict=worker.evict, tell_node=tell_node,
        )  # fmt: skip

    def start(self) -> None:
        self.evictor.start()
        self.disk.start()

    def stop(self) -> None:
        self.evictor.stop()
        self.disk.stop()

    def _wanted_images(self) -> set[str]:
        """Names that pods of this node have, and our own."""
        pods = (all_containers(pod) for pod in self._store.all())
        return {container.image for containers in pods for container in containers} | {self._around.host.pause_image}

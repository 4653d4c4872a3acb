"""What pods use of memory, disk and process ids, to choose the one to evict. Read only when there is too little."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from agent.pods.disk import DiskMeter
from agent.runtime.cache import ContainerCache
from cadvisor_lite.readers import ContainerSample

VOLUMES = "volumes"  # what no single container owns


class PodUsage:
    """``samples``: reads the newest sample of each container, by id."""

    def __init__(
        self,
        cache: ContainerCache,
        samples: Callable[[], Mapping[str, ContainerSample]],
        meter: DiskMeter,
    ) -> None:
        self._cache = cache
        self._samples = samples
        self._meter = meter

    def memory(self) -> dict[str, dict[str, int]]:
        """Working set, by uid and container."""
        samples = self._samples()
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for record in self._cache.all():
            sample = samples.get(record.id)
            if sample is not None and sample.memory is not None and not record.is_sandbox:
                found[record.uid][record.container] = sample.memory.working_set_bytes
        return found

    def pids(self) -> dict[str, dict[str, int]]:
        """Number of processes, by uid and container."""
        samples = self._samples()
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for record in self._cache.all():
            sample = samples.get(record.id)
            if sample is not None and sample.process_count is not None and not record.is_sandbox:
                found[record.uid][record.container] = sample.process_count
        return found

    def disk(self) -> dict[str, dict[str, int]]:
        """Own layer and log of each container, and the pod's volumes on this disk, by uid."""
        found: dict[str, dict[str, int]] = {}
        for uid in {record.uid for record in self._cache.all() if not record.is_sandbox}:
            disk = self._meter.of(uid)
            found[uid] = {name: (one.layer + one.logs).bytes for name, one in disk.containers.items()}
            found[uid][VOLUMES] = disk.local_volumes.bytes
        return found

"""What pods use of memory and disk, for the choice of the one to evict. Read only when there is too little."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.pods.evictor import tree_bytes
from agent.runtime.cache import ContainerCache
from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure
from agent.runtime.logs import log_files
from cadvisor_lite.readers import ContainerSample

log = logging.getLogger(__name__)

VOLUMES = "volumes"  # what no single container owns


class PodUsage:
    """``samples``: reads the newest sample of each container, by id."""

    def __init__(
        self,
        docker: Docker,
        cache: ContainerCache,
        samples: Callable[[], Mapping[str, ContainerSample]],
        directory: Path,
    ) -> None:
        self._docker = docker
        self._cache = cache
        self._samples = samples
        self._directory = directory

    def memory(self) -> dict[str, dict[str, int]]:
        """Working set, by uid and container."""
        samples = self._samples()
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for record in self._cache.all():
            sample = samples.get(record.id)
            if sample is not None and sample.memory is not None and not record.is_sandbox:
                found[record.uid][record.container] = sample.memory.working_set_bytes
        return found

    def disk(self) -> dict[str, dict[str, int]]:
        """Own layer and logs of each container, and the pod's volumes on this disk, by uid."""
        try:
            layers = self._docker.writable_sizes()
        except RuntimeFailure as error:
            log.warning("sizes of containers not known error=%s", error)
            layers = {}
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for record in self._cache.all():
            if not record.is_sandbox:
                found[record.uid][record.container] += layers.get(record.id, 0) + _log_bytes(record.log_path)
        for uid in list(found):
            found[uid][VOLUMES] = tree_bytes(self._directory / uid / "volumes")
        return found


def _log_bytes(path: str) -> int:
    total = 0
    for file in log_files(Path(path)) if path else ():
        try:
            total += file.stat().st_size
        except OSError:
            continue  # rotated away meanwhile
    return total

"""What the work on a pod uses: Docker, the API, images, hooks, events, and the facts of this node."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.cgroups.keeper import PodCgroups
from agent.config import Config
from agent.instruments import Instruments
from agent.jobs import Jobs
from agent.pods.docker_config import Host
from agent.runtime.cache import ContainerCache
from agent.runtime.docker import Docker
from agent.runtime.images import Images
from agent.runtime.logs import LogLinks
from api.core import ObjectReference, Pod, Service
from client import Client, EventRecorder
from client.events import NOTHING, reference_to


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """Shared by all workers. services: None until they have been listed once; network_problem: empty when it is there.

    ``host`` is replaced once if the host turns out not to allow negative OOM scores.
    """

    config: Config
    docker: Docker
    client: Client
    cache: ContainerCache
    images: Images
    cgroups: PodCgroups
    hooks: Jobs
    recorder: EventRecorder
    links: LogLinks
    instruments: Instruments
    host: Host
    host_ip: str
    machine_cpu_millis: int
    machine_memory_bytes: int
    services: Callable[[], Sequence[Service] | None]
    network_problem: Callable[[], str]
    wake: Callable[[str], None]
    tell_node: Callable[[str, str, str], None]  # an event of the node: type, reason, message

    def pod_directory(self, uid: str) -> Path:
        return self.config.data_dir / "pods" / uid

    def event(
        self,
        pod: Pod,
        event_type: str,
        reason: str,
        message: str,
        *,
        container: str = "",
        annotations: Mapping[str, str] = NOTHING,
    ) -> None:
        """An event about a pod, or about one of its containers."""
        reference: ObjectReference = reference_to(pod)
        if container:
            reference.field_path = f"spec.{_list_of(pod, container)}{{{container}}}"
        self.recorder.event(reference, event_type, reason, message, annotations=annotations)


def _list_of(pod: Pod, container: str) -> str:
    """The field of the spec that has the container."""
    if any(item.name == container for item in pod.spec.init_containers):
        return "initContainers"
    if any(item.name == container for item in pod.spec.ephemeral_containers):
        return "ephemeralContainers"
    return "containers"

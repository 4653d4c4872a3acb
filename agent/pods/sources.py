"""What a container's variables and a pod's volumes are made from. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.pods.claims import Claimed
from api.core import ConfigMap, Secret, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What references lead to. Config maps and secrets of the pod's namespace by name; None: it does not exist.

    claims: what stands behind a persistentVolumeClaim, by its name. tokens: by audience and seconds of life.
    away: why the API could not be asked, and only what was kept is here; empty when it could.
    """

    config_maps: Mapping[str, ConfigMap | None] = field(default_factory=dict)
    secrets: Mapping[str, Secret | None] = field(default_factory=dict)
    claims: Mapping[str, Claimed] = field(default_factory=dict)
    tokens: Mapping[tuple[str, int], str] = field(default_factory=dict)
    away: str = ""
    services: Sequence[Service] = ()
    pod_ip: str = ""
    host_ip: str = ""
    machine_cpu_millis: int = 0
    machine_memory_bytes: int = 0

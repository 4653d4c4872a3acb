"""What is known of one cgroup under watch, and one reading of all of them."""

from collections import deque
from dataclasses import dataclass, field

from cadvisor_lite.containers import Container
from cadvisor_lite.readers import Cgroup, ContainerSample, Holdings, Limits, MachineSample
from cadvisor_lite.readers.files import KeptFiles


@dataclass(slots=True)
class Tracked:
    """One cgroup under watch. `container` is None for the root cgroup, the machine as a whole."""

    container: Container | None
    cgroup: Cgroup
    network_pid: int | None
    history: deque[ContainerSample]
    files: KeptFiles
    limits: Limits | None = None
    holdings: Holdings = field(default_factory=Holdings)
    # The metrics' labels, written once; they hold for as long as the container lives.
    rendered_labels: str = ""
    rendered_info: str = ""
    # Readers whose failure was logged: once is enough.
    told: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of everything. `devices`: "254:0" -> "vda". `errors`: readings that failed."""

    machine: MachineSample
    devices: dict[str, str]
    tracked: tuple[tuple[Tracked, ContainerSample], ...]
    errors: int

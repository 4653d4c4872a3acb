"""One container's sample, v1 and v2 alike."""

import time

from cadvisor_lite.readers import cgroup_v1, cgroup_v2
from cadvisor_lite.readers.cgroups import Cgroup, CgroupGoneError, Roots
from cadvisor_lite.readers.files import read_optional
from cadvisor_lite.readers.parsing import parse_net_dev
from cadvisor_lite.readers.samples import ContainerSample, CpuSample, InterfaceSample, Limits, MemorySample


def read_container(
    cgroup: Cgroup,
    pid: int | None,
    *,
    roots: Roots | None = None,
    limits: Limits | None = None,
) -> ContainerSample:
    """Usage now. Raises CgroupGoneError when the cgroup went away before or while it was read.

    `pid`: a process inside the container's network namespace, its init; None leaves the network out.
    `limits`: limits already known, which spares reading seven files that seldom change; None reads them.
    """
    roots = roots or Roots()
    cpu, memory = _read_cpu(cgroup), _read_memory(cgroup, roots)
    version1 = cgroup.version == 1
    directories = cgroup.directories
    sample = ContainerSample(
        time_s=time.time(),
        cpu=cpu,
        memory=memory,
        io=cgroup_v1.read_io(directories) if version1 else cgroup_v2.read_io(directories[""]),
        network=() if pid is None else _read_network(pid, roots),
        process_count=(counts := _read_counts(cgroup))[0],
        thread_count=counts[1],
        limits=limits or read_limits(cgroup),
    )
    # A controller may be off; a missing part is a vanished cgroup only when its directory is missing as well.
    if (cpu is None or memory is None or counts[0] is None) and not cgroup.exists():
        raise CgroupGoneError(f"cgroup {cgroup.name}: gone")
    return sample


def read_limits(cgroup: Cgroup) -> Limits:
    if cgroup.version == 1:
        return cgroup_v1.read_limits(cgroup.directories)
    return cgroup_v2.read_limits(cgroup.directories[""])


def _read_cpu(cgroup: Cgroup) -> CpuSample | None:
    if cgroup.version == 1:
        return cgroup_v1.read_cpu(cgroup.directories)
    return cgroup_v2.read_cpu(cgroup.directories[""])


def _read_memory(cgroup: Cgroup, roots: Roots) -> MemorySample | None:
    if cgroup.version == 1:
        return cgroup_v1.read_memory(cgroup.directories)
    if cgroup.is_root:
        return cgroup_v2.root_memory(str(roots.proc))
    return cgroup_v2.read_memory(cgroup.directories[""])


def _read_counts(cgroup: Cgroup) -> tuple[int | None, int | None]:
    if cgroup.version == 1:
        return cgroup_v1.read_counts(cgroup.directories)
    return cgroup_v2.read_counts(cgroup.directories[""])


def _read_network(pid: int, roots: Roots) -> tuple[InterfaceSample, ...]:
    data = read_optional(f"{roots.proc}/{pid}/net/dev")
    return () if data is None else parse_net_dev(data)

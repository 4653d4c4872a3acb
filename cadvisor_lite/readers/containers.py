"""One container's sample, v1 and v2 alike."""

import time
from collections.abc import Callable
from typing import TypeVar

from cadvisor_lite.readers import cgroup_v1, cgroup_v2
from cadvisor_lite.readers.cgroups import Cgroup, CgroupGoneError, Roots
from cadvisor_lite.readers.files import Read, read_in, read_optional
from cadvisor_lite.readers.parsing import parse_net_dev
from cadvisor_lite.readers.samples import (
    ContainerSample,
    CpuSample,
    DeviceIoSample,
    InterfaceSample,
    Limits,
    MemorySample,
)

T = TypeVar("T")
# The name of the reader that failed, and why.
Failed = Callable[[str, Exception], None]
READERS = ("cpu", "memory", "io", "network", "processes", "limits")


def read_container(
    cgroup: Cgroup,
    pid: int | None,
    *,
    roots: Roots | None = None,
    limits: Limits | None = None,
    read: Read = read_in,
    failed: Failed | None = None,
) -> ContainerSample:
    """Usage now. Raises CgroupGoneError when the cgroup went away before or while it was read.

    `pid`: a process inside the container's network namespace, its init; None leaves the network out.
    `limits`: limits already known, which spares reading seven files that seldom change; None reads them.
    `failed`: told of each reader (READERS) that fails, whose part is then left out; None raises what it raises.
    """
    roots = roots or Roots()
    cfs = limits is None or limits.cpu_quota_us is not None  # without a quota nothing is enforced, nor counted
    cpu = _guarded("cpu", lambda: _read_cpu(cgroup, read, cfs=cfs), None, failed)
    now = time.time()  # beside the reading that rates are taken of
    memory = _guarded("memory", lambda: _read_memory(cgroup, roots, read), None, failed)
    untold: tuple[int | None, int | None] = (None, None)
    processes, threads = _guarded("processes", lambda: _read_counts(cgroup, read), untold, failed)
    # A controller may be off; a missing part is a vanished cgroup only when its directory is missing as well.
    if (cpu is None or memory is None or processes is None) and not cgroup.exists():
        raise CgroupGoneError(f"cgroup {cgroup.name}: gone")
    return ContainerSample(
        time_s=now,
        cpu=cpu,
        memory=memory,
        io=_guarded("io", lambda: _read_io(cgroup, read), (), failed),
        network=() if pid is None else _guarded("network", lambda: _read_network(pid, roots), (), failed),
        process_count=processes,
        thread_count=threads,
        limits=limits or _guarded("limits", lambda: read_limits(cgroup), Limits(), failed),
    )


def _guarded(reader: str, look: Callable[[], T], otherwise: T, failed: Failed | None) -> T:
    try:
        return look()
    except (OSError, ValueError, KeyError) as error:
        if failed is None:
            raise
        failed(reader, error)
        return otherwise


def read_limits(cgroup: Cgroup) -> Limits:
    if cgroup.version == 1:
        return cgroup_v1.read_limits(cgroup.directories, read_in)
    return cgroup_v2.read_limits(cgroup.directories[""], read_in)


def _read_cpu(cgroup: Cgroup, read: Read, *, cfs: bool) -> CpuSample | None:
    if cgroup.version == 1:
        return cgroup_v1.read_cpu(cgroup.directories, read, cfs=cfs)
    return cgroup_v2.read_cpu(cgroup.directories[""], read)


def _read_memory(cgroup: Cgroup, roots: Roots, read: Read) -> MemorySample | None:
    if cgroup.version == 1:
        return cgroup_v1.read_memory(cgroup.directories, read)
    if cgroup.is_root:
        return cgroup_v2.root_memory(str(roots.proc), read_in)
    return cgroup_v2.read_memory(cgroup.directories[""], read)


def _read_io(cgroup: Cgroup, read: Read) -> tuple[DeviceIoSample, ...]:
    if cgroup.version == 1:
        return cgroup_v1.read_io(cgroup.directories, read)
    return cgroup_v2.read_io(cgroup.directories[""], read)


def _read_counts(cgroup: Cgroup, read: Read) -> tuple[int | None, int | None]:
    if cgroup.version == 1:
        return cgroup_v1.read_counts(cgroup.directories, read)
    return cgroup_v2.read_counts(cgroup.directories[""], read)


def _read_network(pid: int, roots: Roots) -> tuple[InterfaceSample, ...]:
    """Opened each time: a descriptor that stays open would keep the network namespace of a dead container."""
    data = read_optional(f"{roots.proc}/{pid}/net/dev")
    return () if data is None else parse_net_dev(data)

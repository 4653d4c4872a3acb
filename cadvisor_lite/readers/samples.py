"""What one reading of a container or of the machine holds. Units stand in the names; counters only grow.

None means that this kernel (or this cgroup) does not tell; it is never written as 0. What is made anew for each
container and reading is a tuple: a frozen dataclass takes four times as long to make.
"""

from dataclasses import dataclass
from typing import NamedTuple


class CpuSample(NamedTuple):
    usage_ns: int
    user_ns: int
    system_ns: int
    cfs_periods: int
    cfs_throttled_periods: int
    cfs_throttled_ns: int


class MemorySample(NamedTuple):
    """`working_set_bytes` is usage less the inactive file cache, as cAdvisor and the kubelet's eviction count it.

    The `own_` faults are without those of cgroups below; v2 does not tell them apart.
    """

    usage_bytes: int
    working_set_bytes: int
    rss_bytes: int
    cache_bytes: int
    mapped_file_bytes: int
    swap_bytes: int
    max_usage_bytes: int | None
    failcnt: int | None
    oom_kills: int | None
    page_faults: int
    major_page_faults: int
    own_page_faults: int
    own_major_page_faults: int


class DeviceIoSample(NamedTuple):
    """Counters of one block device, named by its numbers ("254:0")."""

    device: str
    read_bytes: int = 0
    write_bytes: int = 0
    reads: int = 0
    writes: int = 0


class InterfaceSample(NamedTuple):
    name: str
    receive_bytes: int
    receive_packets: int
    receive_errors: int
    receive_dropped: int
    transmit_bytes: int
    transmit_packets: int
    transmit_errors: int
    transmit_dropped: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the container is allowed. None: no limit (or the controller is off)."""

    cpu_shares: int | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int | None = None
    memory_bytes: int | None = None
    memory_swap_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    threads: int | None = None


class ContainerSample(NamedTuple):
    """One reading. `time_s` is Unix time; `cpu` or `memory` is None where that controller is off."""

    time_s: float
    cpu: CpuSample | None
    memory: MemorySample | None
    io: tuple[DeviceIoSample, ...]
    network: tuple[InterfaceSample, ...]
    process_count: int | None
    thread_count: int | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class FilesystemSample:
    device: str
    mount_point: str
    type: str
    capacity_bytes: int
    free_bytes: int
    available_bytes: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class NetworkDevice:
    """`speed_mbits` is 0 where the driver does not tell (virtual devices)."""

    name: str
    mac_address: str
    mtu: int
    speed_mbits: int


@dataclass(frozen=True, slots=True)
class MachineSample:
    time_s: float
    core_count: int
    physical_core_count: int
    socket_count: int
    cpu_frequency_khz: int
    memory_total_bytes: int
    memory_available_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int
    boot_time_s: int
    load_1m: float
    load_5m: float
    load_15m: float
    hostname: str
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel_version: str
    os_image: str
    filesystems: tuple[FilesystemSample, ...]
    network_devices: tuple[NetworkDevice, ...]

"""Reads the usage of one container or of the machine, now, from the kernel's own files.

    cgroup = find_cgroup(pid)                # where the kernel says the process is; never guessed from names
    sample = read_container(cgroup, pid)     # ContainerSample: cpu, memory, io, network, processes, limits
    machine = read_machine()                 # MachineSample: cores, memory, identity, filesystems

Each call opens, reads and closes: no state, no cache, no thread. Counters are the kernel's and only grow; a rate is
the caller's to take from two samples. `Roots` points the readers at another tree (a recorded one, or a host's /proc
mounted elsewhere). A container that goes away while it is read raises `CgroupGoneError`, never a half-filled sample.
"""

from cadvisor_lite.readers.cgroups import Cgroup, CgroupGoneError, Roots, find_cgroup, root_cgroup
from cadvisor_lite.readers.containers import READERS, read_container, read_limits
from cadvisor_lite.readers.holdings import DiskUse, Holdings, Places, count_holdings
from cadvisor_lite.readers.machine import read_machine
from cadvisor_lite.readers.samples import (
    ContainerSample,
    CpuSample,
    DeviceIoSample,
    FilesystemSample,
    InterfaceSample,
    Limits,
    MachineSample,
    MemorySample,
    NetworkDevice,
)

__all__ = [
    "READERS",
    "Cgroup",
    "CgroupGoneError",
    "ContainerSample",
    "CpuSample",
    "DeviceIoSample",
    "DiskUse",
    "FilesystemSample",
    "Holdings",
    "InterfaceSample",
    "Limits",
    "MachineSample",
    "MemorySample",
    "NetworkDevice",
    "Places",
    "Roots",
    "count_holdings",
    "find_cgroup",
    "read_container",
    "read_limits",
    "read_machine",
    "root_cgroup",
]

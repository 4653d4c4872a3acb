"""The machine: cores, memory, identity, filesystems, network devices. What the host does not tell is "" or 0."""

import os
import time

from cadvisor_lite.readers.cgroups import Roots
from cadvisor_lite.readers.files import read_file, read_optional
from cadvisor_lite.readers.parsing import (
    parse_cpuinfo,
    parse_meminfo,
    parse_mounts,
    parse_net_dev,
    parse_os_release,
)
from cadvisor_lite.readers.samples import FilesystemSample, MachineSample, NetworkDevice


def read_machine(roots: Roots | None = None) -> MachineSample:
    """Raises OSError when /proc/cpuinfo or /proc/meminfo cannot be read: then it is no machine's /proc."""
    roots = roots or Roots()
    proc = str(roots.proc)
    logical, physical, sockets, khz = parse_cpuinfo(read_file(proc + "/cpuinfo"))
    memory = parse_meminfo(read_file(proc + "/meminfo"))
    load = (_text(proc + "/loadavg") or "0 0 0").split()
    return MachineSample(
        time_s=time.time(),
        core_count=logical,
        physical_core_count=physical,
        socket_count=sockets,
        cpu_frequency_khz=khz,
        memory_total_bytes=memory["MemTotal"],
        memory_available_bytes=memory.get("MemAvailable", memory["MemFree"]),
        swap_total_bytes=memory.get("SwapTotal", 0),
        swap_free_bytes=memory.get("SwapFree", 0),
        boot_time_s=_boot_time_s(proc),
        load_1m=float(load[0]),
        load_5m=float(load[1]),
        load_15m=float(load[2]),
        hostname=_text(proc + "/sys/kernel/hostname"),
        machine_id=_text(f"{roots.etc}/machine-id"),
        system_uuid=_text(f"{roots.sys}/class/dmi/id/product_uuid"),
        boot_id=_text(proc + "/sys/kernel/random/boot_id"),
        kernel_version=_text(proc + "/sys/kernel/osrelease"),
        os_image=parse_os_release(read_optional(f"{roots.etc}/os-release") or b""),
        filesystems=_filesystems(proc),
        network_devices=_network_devices(roots),
    )


def _text(path: str) -> str:
    return (read_optional(path) or b"").decode(errors="replace").strip()


def _boot_time_s(proc: str) -> int:
    for line in read_file(proc + "/stat").splitlines():
        if line.startswith(b"btime "):
            return int(line.split()[1])
    return 0


def _filesystems(proc: str) -> tuple[FilesystemSample, ...]:
    """Block devices only: statvfs on a network filesystem can hang for ever."""
    mounts = parse_mounts(read_optional(proc + "/self/mounts") or b"")
    samples = (_filesystem(*mount) for mount in mounts)
    return tuple(sample for sample in samples if sample is not None)


def _filesystem(device: str, point: str, kind: str) -> FilesystemSample | None:
    try:
        fs = os.statvfs(point)
    except OSError:  # unmounted since the list was read, or mounted over
        return None
    return FilesystemSample(
        device=device,
        mount_point=point,
        type=kind,
        capacity_bytes=fs.f_blocks * fs.f_frsize,
        free_bytes=fs.f_bfree * fs.f_frsize,
        available_bytes=fs.f_bavail * fs.f_frsize,
        inodes=fs.f_files,
        inodes_free=fs.f_ffree,
    )


def _network_devices(roots: Roots) -> tuple[NetworkDevice, ...]:
    """The host's own devices, as init sees them."""
    data = read_optional(f"{roots.proc}/1/net/dev")
    names = () if data is None else tuple(interface.name for interface in parse_net_dev(data))
    return tuple(_network_device(f"{roots.sys}/class/net/{name}", name) for name in names)


def _network_device(directory: str, name: str) -> NetworkDevice:
    mtu, speed = _text(directory + "/mtu"), _text(directory + "/speed")
    return NetworkDevice(
        name=name,
        mac_address=_text(directory + "/address"),
        mtu=int(mtu or 0),
        speed_mbits=max(0, int(speed or 0)),
    )

"""What this machine is, read from the kernel's files: identity, size, pressure, addresses. The edge; no decisions."""

import ipaddress
import os
import platform
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PROBE_ADDRESS = ("192.0.2.1", 9)  # TEST-NET-1: connecting a datagram socket sends nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What does not change while the machine is up."""

    hostname: str
    operating_system: str = "linux"
    architecture: str
    kernel_version: str
    os_image: str
    machine_id: str
    system_uuid: str
    boot_id: str
    cpu_count: int
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """How much is left, in bytes and in percent of all."""

    memory_available_bytes: int
    disk_available_percent: float
    inodes_available_percent: float
    pid_available_percent: float


def read_machine(data_dir: Path) -> MachineFacts:
    """``data_dir``: its file system is the one that pods write to."""
    return MachineFacts(
        hostname=socket.gethostname(),
        architecture=architecture(),
        kernel_version=platform.release(),
        os_image=_os_image(),
        machine_id=_text(Path("/etc/machine-id")),
        system_uuid=_text(Path("/sys/class/dmi/id/product_uuid")),
        boot_id=_text(Path("/proc/sys/kernel/random/boot_id")),
        cpu_count=psutil.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        disk_bytes=shutil.disk_usage(_existing(data_dir)).total,
    )


def architecture() -> str:
    """As Go and Docker name it: amd64, arm64."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def read_pressure(data_dir: Path) -> Pressure:
    path = _existing(data_dir)
    disk = shutil.disk_usage(path)
    inodes = _inodes_percent(path)
    # Each task has an id, and the kernel makes no more tasks than either allows.
    limit = min(int(_text(Path("/proc/sys/kernel", name)) or 32768) for name in ("pid_max", "threads-max"))
    # /proc/loadavg: "0.20 0.18 0.12 1/80 11206"; the number behind the slash counts all tasks.
    tasks = int(_text(Path("/proc/loadavg")).split()[3].partition("/")[2])
    return Pressure(
        memory_available_bytes=psutil.virtual_memory().available,
        disk_available_percent=100.0 * disk.free / max(disk.total, 1),
        inodes_available_percent=inodes,
        pid_available_percent=100.0 * (limit - tasks) / limit,
    )


def _inodes_percent(path: Path) -> float:
    """100 for a file system that does not count inodes."""
    status = os.statvfs(path)
    return 100.0 * status.f_favail / status.f_files if status.f_files else 100.0


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _os_image() -> str:
    for line in _text(Path("/etc/os-release")).splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def node_address() -> str:
    """The address from which packets leave by the default route; without one, the first global address.

    Raises OSError when the machine has no address but its loopback's.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_PROBE_ADDRESS)
            address = str(probe.getsockname()[0])
            if not ipaddress.ip_address(address).is_loopback:
                return address
        except OSError:
            pass  # no route there: look at the interfaces
    for name, addresses in sorted(psutil.net_if_addrs().items()):
        for item in addresses:
            if item.family == socket.AF_INET and not name.startswith(("lo", "docker", "veth", "br-")):
                return str(item.address)
    raise OSError("this machine has no address: set node-ip")

"""cAdvisor's REST documents, version 1.3: machine, containers, subcontainers, docker.

Field names and units: https://github.com/google/cadvisor/tree/master/info/v1 . A figure that is not measured here
(load average, disk usage by `du`, custom metrics) is left out, not written as 0, except where the schema requires it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from cadvisor_lite.containers import parse_docker_time
from cadvisor_lite.readers import ContainerSample, DeviceIoSample, InterfaceSample, Limits, MachineSample, MemorySample
from cadvisor_lite.tracked import Snapshot, Tracked

Document = dict[str, Any]
DEFAULT_NUM_STATS = 60
# cAdvisor writes "no limit" as the largest unsigned number.
_NO_LIMIT = 2**64 - 1


def rfc3339(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A ContainerInfoRequest: the newest `count` samples (-1: all) from `start_s` to `end_s`, Unix time."""

    count: int = DEFAULT_NUM_STATS
    start_s: float = -inf
    end_s: float = inf


def wanted(body: bytes) -> Wanted:
    """Raises ValueError naming the field."""
    if not body.strip():
        return Wanted()
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("body: must be a JSON object")
    count = document.get("num_stats", DEFAULT_NUM_STATS)
    if not isinstance(count, int) or isinstance(count, bool) or count < -1:
        raise ValueError(f"num_stats: {count!r} is not a number of samples (-1 for all)")
    return Wanted(count, _moment(document, "start", -inf), _moment(document, "end", inf))


def _moment(document: Document, key: str, otherwise: float) -> float:
    """cAdvisor's own client sends Go's zero time for one that is not set."""
    text = document.get(key)
    if text is None:
        return otherwise
    try:
        return parse_docker_time(text) or otherwise
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{key}: {text!r} is no time as RFC 3339 writes it") from error


def machine_document(machine: MachineSample) -> Document:
    return {
        "timestamp": rfc3339(machine.time_s),
        "num_cores": machine.core_count,
        "num_physical_cores": machine.physical_core_count,
        "num_sockets": machine.socket_count,
        "cpu_frequency_khz": machine.cpu_frequency_khz,
        "memory_capacity": machine.memory_total_bytes,
        "swap_capacity": machine.swap_total_bytes,
        "machine_id": machine.machine_id,
        "system_uuid": machine.system_uuid,
        "boot_id": machine.boot_id,
        "filesystems": [
            {
                "device": fs.device,
                "capacity": fs.capacity_bytes,
                "available": fs.available_bytes,
                "mount_point": fs.mount_point,
                "type": fs.type,
                "inodes": fs.inodes,
                "has_inodes": fs.inodes > 0,
            }
            for fs in machine.filesystems
        ],
        "network_devices": [
            {"name": d.name, "mac_address": d.mac_address, "speed": d.speed_mbits, "mtu": d.mtu}
            for d in machine.network_devices
        ],
        "cloud_provider": "Unknown",
        "instance_type": "Unknown",
        "instance_id": "None",
    }


def container_document(
    tracked: Tracked, sample: ContainerSample, snapshot: Snapshot, *, wanted: Wanted, children: Iterable[str] = ()
) -> Document:
    """A ContainerInfo: reference, spec, and the samples that are wanted, the newest last."""
    document = reference_document(tracked)
    document["spec"] = spec_document(tracked, sample, snapshot)
    samples = recent(tracked, sample, wanted)
    stats = [stats_document(one, snapshot.devices) for one in samples]
    if samples and samples[-1] is sample:
        stats[-1] |= _counted(tracked, snapshot)
    document["stats"] = stats
    if names := list(children):
        document["subcontainers"] = [{"name": name} for name in names]
    return document


def recent(tracked: Tracked, sample: ContainerSample, wanted: Wanted) -> list[ContainerSample]:
    """The newest last."""
    samples = [*(kept for kept in tuple(tracked.history) if kept.time_s < sample.time_s), sample]
    samples = [one for one in samples if wanted.start_s <= round(one.time_s, 6) <= wanted.end_s]
    return samples if wanted.count < 0 else samples[len(samples) - min(wanted.count, len(samples)) :]


def _counted(tracked: Tracked, snapshot: Snapshot) -> Document:
    """What is counted one by one, and so is told of the newest sample alone."""
    filesystems = filesystem_documents(tracked, snapshot)
    return {"filesystem": filesystems} if filesystems else {}


def reference_document(tracked: Tracked) -> Document:
    container = tracked.container
    if container is None:
        return {"name": tracked.cgroup.name}
    return {
        "id": container.id,
        "name": tracked.cgroup.name,
        "aliases": [container.name, container.id],
        "namespace": "docker",
    }


def spec_document(tracked: Tracked, sample: ContainerSample, snapshot: Snapshot) -> Document:
    container, limits = tracked.container, sample.limits
    created_s = snapshot.machine.boot_time_s if container is None else container.created_s
    spec: Document = {
        "creation_time": rfc3339(created_s),
        "has_cpu": sample.cpu is not None,
        "cpu": _cpu_spec(limits),
        "has_memory": sample.memory is not None,
        "memory": {
            "limit": _NO_LIMIT if limits.memory_bytes is None else limits.memory_bytes,
            "reservation": limits.memory_reservation_bytes or 0,
            "swap_limit": _NO_LIMIT if limits.memory_swap_bytes is None else limits.memory_swap_bytes,
        },
        "has_hugetlb": False,
        "has_network": bool(sample.network),
        "has_processes": sample.process_count is not None,
        "processes": {"limit": limits.threads or 0},
        "has_filesystem": container is None or tracked.holdings.disk is not None,
        "has_diskio": bool(sample.io),
        "has_custom_metrics": False,
    }
    if container is not None:
        spec["labels"], spec["image"] = dict(container.labels), container.image
        spec["start_time"] = rfc3339(container.started_s)
    return spec


def _cpu_spec(limits: Limits) -> Document:
    spec = {"limit": limits.cpu_shares or 0, "max_limit": 0, "period": limits.cpu_period_us or 0}
    if limits.cpu_quota_us is not None:
        spec["quota"] = limits.cpu_quota_us
    return spec


def stats_document(sample: ContainerSample, devices: dict[str, str]) -> Document:
    stats: Document = {"timestamp": rfc3339(sample.time_s)}
    if (cpu := sample.cpu) is not None:
        stats["cpu"] = {
            "usage": {"total": cpu.usage_ns, "user": cpu.user_ns, "system": cpu.system_ns},
            "cfs": {
                "periods": cpu.cfs_periods,
                "throttled_periods": cpu.cfs_throttled_periods,
                "throttled_time": cpu.cfs_throttled_ns,
            },
        }
    if sample.memory is not None:
        stats["memory"] = _memory_stats(sample.memory)
        stats["oom_events"] = sample.memory.oom_kills or 0
    if sample.io:
        stats["diskio"] = {
            "io_service_bytes": [_disk(io, devices, io.read_bytes, io.write_bytes) for io in sample.io],
            "io_serviced": [_disk(io, devices, io.reads, io.writes) for io in sample.io],
        }
    if sample.network:
        interfaces = [_interface(i) for i in sample.network]
        stats["network"] = {**interfaces[0], "interfaces": interfaces}
    if sample.process_count is not None:
        stats["processes"] = {
            "process_count": sample.process_count,
            "threads_current": sample.thread_count or 0,
            "threads_max": sample.limits.threads or 0,
        }
    return stats


def _memory_stats(memory: MemorySample) -> Document:
    return {
        "usage": memory.usage_bytes,
        "max_usage": memory.max_usage_bytes or 0,
        "cache": memory.cache_bytes,
        "rss": memory.rss_bytes,
        "swap": memory.swap_bytes,
        "mapped_file": memory.mapped_file_bytes,
        "working_set": memory.working_set_bytes,
        "failcnt": memory.failcnt or 0,
        "container_data": {"pgfault": memory.own_page_faults, "pgmajfault": memory.own_major_page_faults},
        "hierarchical_data": {"pgfault": memory.page_faults, "pgmajfault": memory.major_page_faults},
    }


def filesystem_documents(tracked: Tracked, snapshot: Snapshot) -> list[Document]:
    """FsStats: of the machine all file systems, of a container the one that it writes to, as last counted."""
    if tracked.container is None:
        return [
            {
                "device": fs.device,
                "type": fs.type,
                "capacity": fs.capacity_bytes,
                "usage": fs.capacity_bytes - fs.free_bytes,
                "available": fs.available_bytes,
                "has_inodes": fs.inodes > 0,
                "inodes": fs.inodes,
                "inodes_free": fs.inodes_free,
            }
            for fs in snapshot.machine.filesystems
        ]
    if (disk := tracked.holdings.disk) is None:
        return []
    name = snapshot.devices.get(disk.device)
    return [
        {
            "device": f"/dev/{name}" if name else disk.device,
            "type": "vfs",
            "capacity": disk.limit_bytes,
            "usage": disk.total_bytes,
            "base_usage": disk.layer_bytes,
            "has_inodes": True,
            "inodes": disk.inodes,
        }
    ]


def _disk(io: DeviceIoSample, devices: dict[str, str], read: int, write: int) -> Document:
    major, _, minor = io.device.partition(":")
    name = devices.get(io.device)
    return {
        "device": f"/dev/{name}" if name else "",
        "major": int(major),
        "minor": int(minor),
        "stats": {"Read": read, "Write": write, "Total": read + write},
    }


def _interface(interface: InterfaceSample) -> Document:
    return {
        "name": interface.name,
        "rx_bytes": interface.receive_bytes,
        "rx_packets": interface.receive_packets,
        "rx_errors": interface.receive_errors,
        "rx_dropped": interface.receive_dropped,
        "tx_bytes": interface.transmit_bytes,
        "tx_packets": interface.transmit_packets,
        "tx_errors": interface.transmit_errors,
        "tx_dropped": interface.transmit_dropped,
    }

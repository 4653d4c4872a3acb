"""cAdvisor's REST documents, version 2.1: what differs from version 1.3 (`rest`), which it is built on.

Field names and units: https://github.com/google/cadvisor/tree/master/info/v2 . `summary` knows the last minute only,
as the history is two minutes long; hour and day are told to be absent.
"""

import pwd
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise

from cadvisor_lite.event_log import Event
from cadvisor_lite.readers import ContainerSample, FilesystemSample, MachineSample
from cadvisor_lite.readers.processes import ProcessSample
from cadvisor_lite.rest import (
    Document,
    Wanted,
    filesystem_documents,
    machine_document,
    recent,
    reference_document,
    rfc3339,
    spec_document,
    stats_document,
)
from cadvisor_lite.tracked import Snapshot, Tracked

_MINUTE_S = 60
_ATTRIBUTES = (
    "num_cores",
    "cpu_frequency_khz",
    "memory_capacity",
    "machine_id",
    "system_uuid",
    "filesystems",
    "network_devices",
    "cloud_provider",
    "instance_type",
)
_ABSENT: Document = {"present": False, "mean": 0, "max": 0, "fifty": 0, "ninety": 0, "ninetyfive": 0}


def info_document(tracked: Tracked, sample: ContainerSample, snapshot: Snapshot, *, count: int) -> Document:
    """A ContainerInfo of version 2."""
    samples = recent(tracked, sample, Wanted(count))
    stats = _stats(samples, snapshot)
    if stats and (found := filesystem_documents(tracked, snapshot)) and tracked.container is not None:
        usage = {"totalUsageBytes": found[0]["usage"], "baseUsageBytes": found[0]["base_usage"]}
        stats[-1]["filesystem"] = usage | {"containter_inode_usage": found[0]["inodes"]}  # sic
    return {"spec": container_spec_document(tracked, sample, snapshot), "stats": stats}


def container_spec_document(tracked: Tracked, sample: ContainerSample, snapshot: Snapshot) -> Document:
    spec, reference = spec_document(tracked, sample, snapshot), reference_document(tracked)
    spec.pop("start_time", None)
    return spec | {"aliases": reference.get("aliases", []), "namespace": reference.get("namespace", "")}


def machine_stats_document(
    tracked: Tracked, sample: ContainerSample, snapshot: Snapshot, *, count: int
) -> list[Document]:
    """MachineStats: the root's samples, the newest with the file systems."""
    stats = _stats(recent(tracked, sample, Wanted(count)), snapshot)
    if stats:
        stats[-1]["filesystem"] = filesystem_documents(tracked, snapshot)
    return stats


def _stats(samples: Sequence[ContainerSample], snapshot: Snapshot) -> list[Document]:
    stats = [stats_document(sample, snapshot.devices) for sample in samples]
    for document, before, now in zip(stats[1:], samples, samples[1:], strict=False):
        if instant := _instant(before, now):
            document["cpu_inst"] = {"usage": instant}
    for document in stats:
        if "network" in document:
            document["network"] = {"interfaces": document["network"]["interfaces"]}
    return stats


def _instant(before: ContainerSample, now: ContainerSample) -> dict[str, int] | None:
    """Nanocores between two samples; None across a counter that went back."""
    if before.cpu is None or now.cpu is None or now.time_s <= before.time_s:
        return None
    used = {
        "total": now.cpu.usage_ns - before.cpu.usage_ns,
        "user": now.cpu.user_ns - before.cpu.user_ns,
        "system": now.cpu.system_ns - before.cpu.system_ns,
    }
    if min(used.values()) < 0:
        return None
    return {key: int(value / (now.time_s - before.time_s)) for key, value in used.items()}


def summary_document(tracked: Tracked, sample: ContainerSample) -> Document:
    """DerivedStats: the newest use, the last minute's percentiles. CPU in thousandths of a core, memory in bytes."""
    samples = [one for one in recent(tracked, sample, Wanted(-1)) if one.time_s > sample.time_s - _MINUTE_S]
    rates = [
        rate["total"] // 1_000_000 for before, now in pairwise(samples) if (rate := _instant(before, now)) is not None
    ]
    memory = [one.memory.working_set_bytes for one in samples if one.memory is not None]
    span_s = samples[-1].time_s - samples[0].time_s
    absent = {"percent_complete": 0, "cpu": _ABSENT, "memory": _ABSENT}
    return {
        "timestamp": rfc3339(sample.time_s),
        "latest_usage": {"cpu": rates[-1] if rates else 0, "memory": memory[-1] if memory else 0},
        "minute_usage": {
            "percent_complete": min(100, round(100 * span_s / _MINUTE_S)),
            "cpu": percentiles(rates),
            "memory": percentiles(memory),
        },
        "hour_usage": absent,
        "day_usage": absent,
    }


def percentiles(values: Sequence[int]) -> Document:
    if not values:
        return _ABSENT
    ordered = sorted(values)

    def at(share: float) -> int:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return {
        "present": True,
        "mean": sum(ordered) // len(ordered),
        "max": ordered[-1],
        "fifty": at(0.5),
        "ninety": at(0.9),
        "ninetyfive": at(0.95),
    }


def attributes_document(machine: MachineSample, *, docker_version: str, version: str) -> Document:
    facts = machine_document(machine)
    return {
        "kernel_version": machine.kernel_version,
        "container_os_version": machine.os_image,
        "docker_version": docker_version,
        "cadvisor_version": version,
        **{key: facts[key] for key in _ATTRIBUTES},
    }


def storage_document(machine: MachineSample, label: str) -> list[Document]:
    """FsInfo of all file systems, or of those that carry the label: "root" is what / lies on."""
    rows = [(fs, ["root"] if fs.mount_point == "/" else []) for fs in machine.filesystems]
    return [_storage(machine, fs, labels) for fs, labels in rows if not label or label in labels]


def _storage(machine: MachineSample, fs: FilesystemSample, labels: list[str]) -> Document:
    return {
        "timestamp": rfc3339(machine.time_s),
        "device": fs.device,
        "mountpoint": fs.mount_point,
        "capacity": fs.capacity_bytes,
        "available": fs.available_bytes,
        "usage": fs.capacity_bytes - fs.free_bytes,
        "labels": labels,
        "inodes": fs.inodes,
        "inodes_free": fs.inodes_free,
    }


def process_documents(processes: Iterable[ProcessSample], cgroup: str, machine: MachineSample) -> list[Document]:
    """ProcessInfo; the share of the processor is that of the process's whole life, as with `ps`."""
    now = time.time()
    return [_process(process, cgroup, machine, now) for process in processes]


def _process(process: ProcessSample, cgroup: str, machine: MachineSample, now: float) -> Document:
    lived_s = max(now - process.started_s, 0.01)
    seconds = int(process.cpu_s)
    return {
        "user": _user(process.uid),
        "pid": process.pid,
        "parent_pid": process.parent_pid,
        "start_time": time.strftime("%H:%M" if lived_s < 86400 else "%b%d", time.localtime(process.started_s)),
        "percent_cpu": round(100 * process.cpu_s / lived_s, 1),
        "percent_mem": round(100 * process.rss_bytes / machine.memory_total_bytes, 1),
        "rss": process.rss_bytes,
        "virtual_size": process.virtual_bytes,
        "status": process.state,
        "running_time": f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        "cgroup_path": cgroup,
        "cmd": process.name,
        "fd_count": process.file_descriptors or 0,
        "psr": process.processor,
    }


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def event_documents(events: Iterable[Event]) -> list[Document]:
    return [
        {
            "container_name": event.container,
            "timestamp": rfc3339(event.time_s),
            "event_type": event.type,
            "event_data": {},
        }
        for event in events
    ]

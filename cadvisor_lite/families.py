"""Every metric of containers: names, types, help and labels as cAdvisor and the kubelet have them, in order of name.

List of names: https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
Network series exist only for containers that own their interfaces (in a pod: the sandbox, container="POD").
"""

from collections.abc import Callable
from functools import lru_cache

from cadvisor_lite.exposition import Family, Number, Series, Source, SpreadFamily, escape_label
from cadvisor_lite.readers import (
    CpuSample,
    DeviceIoSample,
    DiskUse,
    FilesystemSample,
    InterfaceSample,
    Limits,
    MemorySample,
)

_NS = 1_000_000_000


Value = Callable[[Source], Number | None]

# Devices and interfaces have the same few names everywhere.
_name = lru_cache(maxsize=256)(escape_label)


def _cpu(value: Callable[[CpuSample], Number]) -> Value:
    return lambda s: None if s.sample.cpu is None else value(s.sample.cpu)


def _cfs(value: Callable[[CpuSample], Number]) -> Value:
    """Only where a quota is set: without one there are no enforcement periods to count."""
    return lambda s: None if s.sample.cpu is None or s.sample.limits.cpu_quota_us is None else value(s.sample.cpu)


def _memory(value: Callable[[MemorySample], Number | None]) -> Value:
    return lambda s: None if s.sample.memory is None else value(s.sample.memory)


def _limit(value: Callable[[Limits], Number | None]) -> Value:
    return lambda s: value(s.sample.limits)


def _interfaces(value: Callable[[InterfaceSample], int]) -> Callable[[Source], Series]:
    return lambda s: [(f',interface="{_name(i.name)}"', value(i)) for i in s.sample.network]


def _devices(value: Callable[[DeviceIoSample], int]) -> Callable[[Source], Series]:
    return lambda s: [(f',device="{_device(s, io.device)}"', value(io)) for io in s.sample.io]


def _device(source: Source, numbers: str) -> str:
    name = source.devices.get(numbers)
    return _name(f"/dev/{name}" if name else numbers)


def _filesystems(root: Callable[[FilesystemSample], int], own: Callable[[DiskUse], int]) -> Callable[[Source], Series]:
    """Of the machine by device; of a container on the one device that it writes to."""

    def series(source: Source) -> Series:
        if (disk := source.holdings.disk) is not None:
            return [(f',device="{_device(source, disk.device)}"', own(disk))]
        return [(f',device="{escape_label(fs.device)}"', root(fs)) for fs in source.filesystems]

    return series


def _inodes(value: Callable[[FilesystemSample], int]) -> Callable[[Source], Series]:
    return lambda s: [(f',device="{escape_label(fs.device)}"', value(fs)) for fs in s.filesystems if fs.inodes]


def _tasks(source: Source) -> Series:
    return [(f',state="{state}"', number) for state, number in sorted((source.holdings.tasks or {}).items())]


def _faults(source: Source) -> Series:
    memory = source.sample.memory
    if memory is None:
        return ()
    return (
        (',failure_type="pgfault",scope="container"', memory.own_page_faults),
        (',failure_type="pgmajfault",scope="container"', memory.own_major_page_faults),
        (',failure_type="pgfault",scope="hierarchy"', memory.page_faults),
        (',failure_type="pgmajfault",scope="hierarchy"', memory.major_page_faults),
    )


CONTAINER_FAMILIES: tuple[Family | SpreadFamily, ...] = (
    Family(
        "container_cpu_cfs_periods_total",
        "counter",
        "Number of elapsed enforcement period intervals.",
        _cfs(lambda c: c.cfs_periods),
        group="cpu",
    ),
    Family(
        "container_cpu_cfs_throttled_periods_total",
        "counter",
        "Number of throttled period intervals.",
        _cfs(lambda c: c.cfs_throttled_periods),
        group="cpu",
    ),
    Family(
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        "Total time duration the container has been throttled.",
        _cfs(lambda c: c.cfs_throttled_ns / _NS),
        group="cpu",
    ),
    Family(
        "container_cpu_system_seconds_total",
        "counter",
        "Cumulative system cpu time consumed in seconds.",
        _cpu(lambda c: c.system_ns / _NS),
        group="cpu",
    ),
    Family(
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed in seconds.",
        _cpu(lambda c: c.usage_ns / _NS),
        ',cpu="total"',
        group="cpu",
    ),
    Family(
        "container_cpu_user_seconds_total",
        "counter",
        "Cumulative user cpu time consumed in seconds.",
        _cpu(lambda c: c.user_ns / _NS),
        group="cpu",
    ),
    Family(
        "container_file_descriptors",
        "gauge",
        "Number of open file descriptors for the container.",
        lambda s: s.holdings.file_descriptors,
        group="process",
    ),
    SpreadFamily(
        "container_fs_inodes_free",
        "gauge",
        "Number of available Inodes",
        _inodes(lambda fs: fs.inodes_free),
        group="disk",
    ),
    SpreadFamily("container_fs_inodes_total", "gauge", "Number of Inodes", _inodes(lambda fs: fs.inodes), group="disk"),
    SpreadFamily(
        "container_fs_limit_bytes",
        "gauge",
        "Number of bytes that can be consumed by the container on this filesystem.",
        _filesystems(lambda fs: fs.capacity_bytes, lambda disk: disk.limit_bytes),
        group="disk",
    ),
    SpreadFamily(
        "container_fs_reads_bytes_total",
        "counter",
        "Cumulative count of bytes read",
        _devices(lambda d: d.read_bytes),
        group="diskIO",
    ),
    SpreadFamily(
        "container_fs_reads_total",
        "counter",
        "Cumulative count of reads completed",
        _devices(lambda d: d.reads),
        group="diskIO",
    ),
    SpreadFamily(
        "container_fs_usage_bytes",
        "gauge",
        "Number of bytes that are consumed by the container on this filesystem.",
        _filesystems(lambda fs: fs.capacity_bytes - fs.free_bytes, lambda disk: disk.total_bytes),
        group="disk",
    ),
    SpreadFamily(
        "container_fs_writes_bytes_total",
        "counter",
        "Cumulative count of bytes written",
        _devices(lambda d: d.write_bytes),
        group="diskIO",
    ),
    SpreadFamily(
        "container_fs_writes_total",
        "counter",
        "Cumulative count of writes completed",
        _devices(lambda d: d.writes),
        group="diskIO",
    ),
    Family(
        "container_last_seen",
        "gauge",
        "Last time a container was seen by the exporter",
        lambda s: int(s.sample.time_s),
    ),
    Family(
        "container_memory_cache",
        "gauge",
        "Number of bytes of page cache memory.",
        _memory(lambda m: m.cache_bytes),
        group="memory",
    ),
    Family(
        "container_memory_failcnt",
        "counter",
        "Number of memory usage hits limits",
        _memory(lambda m: m.failcnt),
        group="memory",
    ),
    SpreadFamily(
        "container_memory_failures_total",
        "counter",
        "Cumulative count of memory allocation failures.",
        _faults,
        group="memory",
    ),
    Family(
        "container_memory_mapped_file",
        "gauge",
        "Size of memory mapped files in bytes.",
        _memory(lambda m: m.mapped_file_bytes),
        group="memory",
    ),
    Family(
        "container_memory_max_usage_bytes",
        "gauge",
        "Maximum memory usage recorded in bytes",
        _memory(lambda m: m.max_usage_bytes),
        group="memory",
    ),
    Family("container_memory_rss", "gauge", "Size of RSS in bytes.", _memory(lambda m: m.rss_bytes), group="memory"),
    Family(
        "container_memory_swap",
        "gauge",
        "Container swap usage in bytes.",
        _memory(lambda m: m.swap_bytes),
        group="memory",
    ),
    Family(
        "container_memory_usage_bytes",
        "gauge",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        _memory(lambda m: m.usage_bytes),
        group="memory",
    ),
    Family(
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set in bytes.",
        _memory(lambda m: m.working_set_bytes),
        group="memory",
    ),
    SpreadFamily(
        "container_network_receive_bytes_total",
        "counter",
        "Cumulative count of bytes received",
        _interfaces(lambda i: i.receive_bytes),
        group="network",
    ),
    SpreadFamily(
        "container_network_receive_errors_total",
        "counter",
        "Cumulative count of errors encountered while receiving",
        _interfaces(lambda i: i.receive_errors),
        group="network",
    ),
    SpreadFamily(
        "container_network_receive_packets_dropped_total",
        "counter",
        "Cumulative count of packets dropped while receiving",
        _interfaces(lambda i: i.receive_dropped),
        group="network",
    ),
    SpreadFamily(
        "container_network_receive_packets_total",
        "counter",
        "Cumulative count of packets received",
        _interfaces(lambda i: i.receive_packets),
        group="network",
    ),
    SpreadFamily(
        "container_network_transmit_bytes_total",
        "counter",
        "Cumulative count of bytes transmitted",
        _interfaces(lambda i: i.transmit_bytes),
        group="network",
    ),
    SpreadFamily(
        "container_network_transmit_errors_total",
        "counter",
        "Cumulative count of errors encountered while transmitting",
        _interfaces(lambda i: i.transmit_errors),
        group="network",
    ),
    SpreadFamily(
        "container_network_transmit_packets_dropped_total",
        "counter",
        "Cumulative count of packets dropped while transmitting",
        _interfaces(lambda i: i.transmit_dropped),
        group="network",
    ),
    SpreadFamily(
        "container_network_transmit_packets_total",
        "counter",
        "Cumulative count of packets transmitted",
        _interfaces(lambda i: i.transmit_packets),
        group="network",
    ),
    Family(
        "container_oom_events_total",
        "counter",
        "Count of out of memory events observed for the container",
        _memory(lambda m: m.oom_kills),
        group="oom_event",
    ),
    Family(
        "container_processes",
        "gauge",
        "Number of processes running inside the container.",
        lambda s: s.sample.process_count,
        group="process",
    ),
    Family(
        "container_sockets",
        "gauge",
        "Number of open sockets for the container.",
        lambda s: s.holdings.sockets,
        group="process",
    ),
    Family("container_spec_cpu_period", "gauge", "CPU period of the container.", _limit(lambda x: x.cpu_period_us)),
    Family("container_spec_cpu_quota", "gauge", "CPU quota of the container.", _limit(lambda x: x.cpu_quota_us)),
    Family("container_spec_cpu_shares", "gauge", "CPU share of the container.", _limit(lambda x: x.cpu_shares)),
    Family(
        "container_spec_memory_limit_bytes",
        "gauge",
        "Memory limit for the container.",
        _limit(lambda x: x.memory_bytes or 0),
    ),
    Family(
        "container_spec_memory_reservation_limit_bytes",
        "gauge",
        "Memory reservation limit for the container.",
        _limit(lambda x: x.memory_reservation_bytes or 0),
    ),
    Family(
        "container_spec_memory_swap_limit_bytes",
        "gauge",
        "Memory swap limit for the container.",
        _limit(lambda x: x.memory_swap_bytes or 0),
    ),
    Family(
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds.",
        lambda s: s.start_time_s,
    ),
    SpreadFamily("container_tasks_state", "gauge", "Number of tasks in given state", _tasks, group="cpuLoad"),
    Family(
        "container_threads",
        "gauge",
        "Number of threads running inside the container",
        lambda s: s.sample.thread_count,
        group="process",
    ),
    Family(
        "container_threads_max",
        "gauge",
        "Maximum number of threads allowed inside the container, infinity if value is zero",
        _limit(lambda x: x.threads or 0),
        group="process",
    ),
)

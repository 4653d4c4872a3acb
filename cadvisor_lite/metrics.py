"""Every metric served on /metrics: names, types, help and labels as cAdvisor and the kubelet have them.

List of names: https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
Network series exist only for containers that own their interfaces (in a pod: the sandbox, container="POD").
"""

import os
from collections.abc import Callable

from cadvisor_lite.exposition import (
    Family,
    Number,
    Series,
    Source,
    SpreadFamily,
    container_labels,
    escape_label,
    head,
    render_families,
)
from cadvisor_lite.monitor import Snapshot
from cadvisor_lite.readers import (
    CpuSample,
    DeviceIoSample,
    InterfaceSample,
    Limits,
    MachineSample,
    MemorySample,
)
from cadvisor_lite.readers.files import read_optional

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NS = 1_000_000_000


Value = Callable[[Source], Number | None]


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
    return lambda s: [(f',interface="{escape_label(i.name)}"', value(i)) for i in s.sample.network]


def _devices(value: Callable[[DeviceIoSample], int]) -> Callable[[Source], Series]:
    return lambda s: [(f',device="{_device(s, io.device)}"', value(io)) for io in s.sample.io]


def _device(source: Source, numbers: str) -> str:
    name = source.devices.get(numbers)
    return escape_label(f"/dev/{name}" if name else numbers)


def _faults(source: Source) -> Series:
    memory = source.sample.memory
    if memory is None:
        return ()
    return (
        (',failure_type="pgfault",scope="hierarchy"', memory.page_faults),
        (',failure_type="pgmajfault",scope="hierarchy"', memory.major_page_faults),
    )


CONTAINER_FAMILIES: tuple[Family | SpreadFamily, ...] = (
    Family(
        "container_cpu_cfs_periods_total",
        "counter",
        "Number of elapsed enforcement period intervals.",
        _cfs(lambda c: c.cfs_periods),
    ),
    Family(
        "container_cpu_cfs_throttled_periods_total",
        "counter",
        "Number of throttled period intervals.",
        _cfs(lambda c: c.cfs_throttled_periods),
    ),
    Family(
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        "Total time duration the container has been throttled.",
        _cfs(lambda c: c.cfs_throttled_ns / _NS),
    ),
    Family(
        "container_cpu_system_seconds_total",
        "counter",
        "Cumulative system cpu time consumed in seconds.",
        _cpu(lambda c: c.system_ns / _NS),
    ),
    Family(
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed in seconds.",
        _cpu(lambda c: c.usage_ns / _NS),
        ',cpu="total"',
    ),
    Family(
        "container_cpu_user_seconds_total",
        "counter",
        "Cumulative user cpu time consumed in seconds.",
        _cpu(lambda c: c.user_ns / _NS),
    ),
    SpreadFamily(
        "container_fs_reads_bytes_total",
        "counter",
        "Cumulative count of bytes read",
        _devices(lambda d: d.read_bytes),
    ),
    SpreadFamily(
        "container_fs_reads_total", "counter", "Cumulative count of reads completed", _devices(lambda d: d.reads)
    ),
    SpreadFamily(
        "container_fs_writes_bytes_total",
        "counter",
        "Cumulative count of bytes written",
        _devices(lambda d: d.write_bytes),
    ),
    SpreadFamily(
        "container_fs_writes_total", "counter", "Cumulative count of writes completed", _devices(lambda d: d.writes)
    ),
    Family(
        "container_last_seen",
        "gauge",
        "Last time a container was seen by the exporter",
        lambda s: int(s.sample.time_s),
    ),
    Family(
        "container_memory_cache", "gauge", "Number of bytes of page cache memory.", _memory(lambda m: m.cache_bytes)
    ),
    Family("container_memory_failcnt", "counter", "Number of memory usage hits limits", _memory(lambda m: m.failcnt)),
    SpreadFamily(
        "container_memory_failures_total",
        "counter",
        "Cumulative count of memory allocation failures.",
        _faults,
    ),
    Family(
        "container_memory_mapped_file",
        "gauge",
        "Size of memory mapped files in bytes.",
        _memory(lambda m: m.mapped_file_bytes),
    ),
    Family(
        "container_memory_max_usage_bytes",
        "gauge",
        "Maximum memory usage recorded in bytes",
        _memory(lambda m: m.max_usage_bytes),
    ),
    Family("container_memory_rss", "gauge", "Size of RSS in bytes.", _memory(lambda m: m.rss_bytes)),
    Family("container_memory_swap", "gauge", "Container swap usage in bytes.", _memory(lambda m: m.swap_bytes)),
    Family(
        "container_memory_usage_bytes",
        "gauge",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        _memory(lambda m: m.usage_bytes),
    ),
    Family(
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set in bytes.",
        _memory(lambda m: m.working_set_bytes),
    ),
    SpreadFamily(
        "container_network_receive_bytes_total",
        "counter",
        "Cumulative count of bytes received",
        _interfaces(lambda i: i.receive_bytes),
    ),
    SpreadFamily(
        "container_network_receive_errors_total",
        "counter",
        "Cumulative count of errors encountered while receiving",
        _interfaces(lambda i: i.receive_errors),
    ),
    SpreadFamily(
        "container_network_receive_packets_dropped_total",
        "counter",
        "Cumulative count of packets dropped while receiving",
        _interfaces(lambda i: i.receive_dropped),
    ),
    SpreadFamily(
        "container_network_receive_packets_total",
        "counter",
        "Cumulative count of packets received",
        _interfaces(lambda i: i.receive_packets),
    ),
    SpreadFamily(
        "container_network_transmit_bytes_total",
        "counter",
        "Cumulative count of bytes transmitted",
        _interfaces(lambda i: i.transmit_bytes),
    ),
    SpreadFamily(
        "container_network_transmit_errors_total",
        "counter",
        "Cumulative count of errors encountered while transmitting",
        _interfaces(lambda i: i.transmit_errors),
    ),
    SpreadFamily(
        "container_network_transmit_packets_dropped_total",
        "counter",
        "Cumulative count of packets dropped while transmitting",
        _interfaces(lambda i: i.transmit_dropped),
    ),
    SpreadFamily(
        "container_network_transmit_packets_total",
        "counter",
        "Cumulative count of packets transmitted",
        _interfaces(lambda i: i.transmit_packets),
    ),
    Family(
        "container_oom_events_total",
        "counter",
        "Count of out of memory events observed for the container",
        _memory(lambda m: m.oom_kills),
    ),
    Family(
        "container_processes",
        "gauge",
        "Number of processes running inside the container.",
        lambda s: s.sample.process_count,
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
    Family(
        "container_threads",
        "gauge",
        "Number of threads running inside the container",
        lambda s: s.sample.thread_count,
    ),
    Family(
        "container_threads_max",
        "gauge",
        "Maximum number of threads allowed inside the container, infinity if value is zero",
        _limit(lambda x: x.threads or 0),
    ),
)


def render_containers(snapshot: Snapshot) -> list[str]:
    """The lines of all containers and the root cgroup."""
    rows = []
    for tracked, sample in snapshot.tracked:
        if not tracked.rendered_labels:
            tracked.rendered_labels = container_labels(tracked.container, tracked.cgroup)
        started_s = snapshot.machine.boot_time_s if tracked.container is None else tracked.container.started_s
        rows.append((tracked.rendered_labels, Source(sample, snapshot.devices, started_s)))
    lines = render_families(CONTAINER_FAMILIES, rows)
    lines.append(
        head("container_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise")
    )
    lines.append(f"container_scrape_error {int(snapshot.errors > 0)}")
    return lines


def render_machine(machine: MachineSample) -> list[str]:
    labels = (
        f'boot_id="{escape_label(machine.boot_id)}",machine_id="{escape_label(machine.machine_id)}",'
        f'system_uuid="{escape_label(machine.system_uuid)}"'
    )
    gauges = (
        ("machine_cpu_cores", "Number of logical CPU cores.", machine.core_count),
        ("machine_cpu_physical_cores", "Number of physical CPU cores.", machine.physical_core_count),
        ("machine_cpu_sockets", "Number of CPU sockets.", machine.socket_count),
        ("machine_memory_bytes", "Amount of memory installed on the machine.", machine.memory_total_bytes),
        ("machine_swap_bytes", "Amount of swap memory available on the machine.", machine.swap_total_bytes),
    )
    return [f"{head(name, 'gauge', help_)}\n{name}{{{labels}}} {value}" for name, help_, value in gauges]


def render_version(machine: MachineSample, *, docker_version: str, version: str) -> list[str]:
    labels = ",".join(
        f'{key}="{escape_label(value)}"'
        for key, value in (
            ("cadvisorRevision", ""),
            ("cadvisorVersion", version),
            ("dockerVersion", docker_version),
            ("kernelVersion", machine.kernel_version),
            ("osVersion", machine.os_image),
        )
    )
    help_ = (
        "A metric with a constant '1' value labeled by kernel version, OS version, docker version, "
        "cadvisor version & cadvisor revision."
    )
    return [head("cadvisor_version_info", "gauge", help_), f"cadvisor_version_info{{{labels}}} 1"]


def render_self(*, read_errors: int, docker_failures: int) -> list[str]:
    """The monitor about itself: what it costs and what failed."""
    times = os.times()
    pages = int((read_optional("/proc/self/statm") or b"0 0").split()[1])
    values: tuple[tuple[str, str, str, Number], ...] = (
        (
            "cadvisor_lite_docker_failures_total",
            "counter",
            "Times that the Docker event stream was lost or not to be had.",
            docker_failures,
        ),
        ("cadvisor_lite_read_errors_total", "counter", "Cgroups that could not be read.", read_errors),
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            round(times.user + times.system, 2),
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            pages * os.sysconf("SC_PAGE_SIZE"),
        ),
    )
    return [f"{head(name, kind, help_)}\n{name} {value}" for name, kind, help_, value in values]

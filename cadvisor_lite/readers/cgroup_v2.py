"""Usage and limits of one cgroup in the unified hierarchy. The root has no memory.* of its own: see `root_memory`."""

from cadvisor_lite.readers.files import Read
from cadvisor_lite.readers.parsing import (
    Picked,
    parse_cpu_max,
    parse_flat,
    parse_io_stat,
    parse_limit,
    parse_meminfo,
    shares_from_weight,
)
from cadvisor_lite.readers.samples import CpuSample, DeviceIoSample, Limits, MemorySample

_memory_stat = Picked(b"anon", b"file", b"file_mapped", b"inactive_file", b"pgfault", b"pgmajfault")


def read_cpu(directory: str, read: Read) -> CpuSample | None:
    text = read(directory, "cpu.stat")
    if text is None:
        return None
    stat = parse_flat(text)
    return CpuSample(
        usage_ns=stat[b"usage_usec"] * 1000,
        user_ns=stat[b"user_usec"] * 1000,
        system_ns=stat[b"system_usec"] * 1000,
        cfs_periods=stat.get(b"nr_periods", 0),
        cfs_throttled_periods=stat.get(b"nr_throttled", 0),
        cfs_throttled_ns=stat.get(b"throttled_usec", 0) * 1000,
    )


def read_memory(directory: str, read: Read) -> MemorySample | None:
    """`memory.peak` came with Linux 5.19; `failcnt` is memory.events' count of hits on the limit."""
    usage_text, stat_text = read(directory, "memory.current"), read(directory, "memory.stat")
    if usage_text is None or stat_text is None:
        return None
    usage, stat = int(usage_text), _memory_stat(stat_text)
    events = parse_flat(read(directory, "memory.events") or b"")
    swap, peak = read(directory, "memory.swap.current"), read(directory, "memory.peak")
    return MemorySample(
        usage_bytes=usage,
        working_set_bytes=max(0, usage - stat[b"inactive_file"]),
        rss_bytes=stat[b"anon"],
        cache_bytes=stat[b"file"],
        mapped_file_bytes=stat[b"file_mapped"],
        swap_bytes=int(swap or b"0"),
        max_usage_bytes=None if peak is None else int(peak),
        failcnt=events.get(b"max"),
        oom_kills=events.get(b"oom_kill"),
        page_faults=stat[b"pgfault"],
        major_page_faults=stat[b"pgmajfault"],
        own_page_faults=stat[b"pgfault"],
        own_major_page_faults=stat[b"pgmajfault"],
    )


def root_memory(proc: str, read: Read) -> MemorySample | None:
    """The root cgroup's memory is the machine's: usage is what is not free, as runc counts it."""
    text, faults_text = read(proc, "meminfo"), read(proc, "vmstat")
    if text is None:
        return None
    info, faults = parse_meminfo(text), parse_flat(faults_text or b"")
    usage = info["MemTotal"] - info["MemFree"]
    return MemorySample(
        usage_bytes=usage,
        working_set_bytes=max(0, usage - info["Inactive(file)"]),
        rss_bytes=info["AnonPages"],
        cache_bytes=info["Cached"],
        mapped_file_bytes=info["Mapped"],
        swap_bytes=info["SwapTotal"] - info["SwapFree"],
        max_usage_bytes=None,
        failcnt=None,
        oom_kills=faults.get(b"oom_kill"),
        page_faults=faults.get(b"pgfault", 0),
        major_page_faults=faults.get(b"pgmajfault", 0),
        own_page_faults=faults.get(b"pgfault", 0),
        own_major_page_faults=faults.get(b"pgmajfault", 0),
    )


def read_io(directory: str, read: Read) -> tuple[DeviceIoSample, ...]:
    return parse_io_stat(read(directory, "io.stat"))


def read_counts(directory: str, read: Read) -> tuple[int | None, int | None]:
    """(processes, threads)."""
    processes = read(directory, "cgroup.procs")
    threads = read(directory, "pids.current")
    return (
        None if processes is None else processes.count(b"\n"),
        None if threads is None else int(threads),
    )


def read_limits(directory: str, read: Read) -> Limits:
    weight = read(directory, "cpu.weight")
    cpu_max = read(directory, "cpu.max")
    quota, period = parse_cpu_max(cpu_max) if cpu_max else (None, None)
    return Limits(
        cpu_shares=None if weight is None else shares_from_weight(int(weight)),
        cpu_quota_us=quota,
        cpu_period_us=period,
        memory_bytes=parse_limit(read(directory, "memory.max")),
        memory_swap_bytes=parse_limit(read(directory, "memory.swap.max")),
        memory_reservation_bytes=parse_limit(read(directory, "memory.low")),
        threads=parse_limit(read(directory, "pids.max")),
    )

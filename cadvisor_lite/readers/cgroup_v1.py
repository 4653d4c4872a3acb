"""Usage and limits of one cgroup in the v1 hierarchies. Sums include child cgroups (total_* and *_recursive)."""

import os
from collections.abc import Mapping

from cadvisor_lite.readers.files import Read
from cadvisor_lite.readers.parsing import Picked, parse_blkio, parse_flat, parse_limit
from cadvisor_lite.readers.samples import CpuSample, DeviceIoSample, Limits, MemorySample

Directories = Mapping[str, str]
_memory_stat = Picked(
    b"pgfault",
    b"pgmajfault",
    b"total_cache",
    b"total_rss",
    b"total_mapped_file",
    b"total_swap",
    b"total_pgfault",
    b"total_pgmajfault",
    b"total_inactive_file",
)
_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def read_cpu(directories: Directories, read: Read, *, cfs: bool = True) -> CpuSample | None:
    """User and system time come in clock ticks (10 ms), the total in nanoseconds. ``cfs``: whether a quota may be
    enforced, which is counted in a file of its own.
    """
    if "cpuacct" not in directories:
        return None
    usage = read(directories["cpuacct"], "cpuacct.usage")
    ticks = read(directories["cpuacct"], "cpuacct.stat")
    if usage is None or ticks is None:
        return None
    split = parse_flat(ticks)
    enforced = parse_flat(read(directories.get("cpu", ""), "cpu.stat") or b"") if cfs else {}
    return CpuSample(
        usage_ns=int(usage),
        user_ns=split[b"user"] * _NS_PER_TICK,
        system_ns=split[b"system"] * _NS_PER_TICK,
        cfs_periods=enforced.get(b"nr_periods", 0),
        cfs_throttled_periods=enforced.get(b"nr_throttled", 0),
        cfs_throttled_ns=enforced.get(b"throttled_time", 0),
    )


def read_memory(directories: Directories, read: Read) -> MemorySample | None:
    if "memory" not in directories:
        return None
    home = directories["memory"]
    usage_text, stat_text = read(home, "memory.usage_in_bytes"), read(home, "memory.stat")
    if usage_text is None or stat_text is None:
        return None
    usage, stat = int(usage_text), _memory_stat(stat_text)
    peak, failcnt = read(home, "memory.max_usage_in_bytes"), read(home, "memory.failcnt")
    return MemorySample(
        usage_bytes=usage,
        working_set_bytes=max(0, usage - stat[b"total_inactive_file"]),
        rss_bytes=stat[b"total_rss"],
        cache_bytes=stat[b"total_cache"],
        mapped_file_bytes=stat[b"total_mapped_file"],
        swap_bytes=stat.get(b"total_swap", 0),
        max_usage_bytes=None if peak is None else int(peak),
        failcnt=None if failcnt is None else int(failcnt),
        oom_kills=parse_flat(read(home, "memory.oom_control") or b"").get(b"oom_kill"),
        page_faults=stat[b"total_pgfault"],
        major_page_faults=stat[b"total_pgmajfault"],
        own_page_faults=stat[b"pgfault"],
        own_major_page_faults=stat[b"pgmajfault"],
    )


def read_io(directories: Directories, read: Read) -> tuple[DeviceIoSample, ...]:
    """The throttle layer counts under every I/O scheduler; its recursive files came with Linux 4.19."""
    if "blkio" not in directories:
        return ()
    home = directories["blkio"]
    total_bytes = read(home, "blkio.throttle.io_service_bytes_recursive")
    if total_bytes is None:
        return parse_blkio(read(home, "blkio.throttle.io_service_bytes"), read(home, "blkio.throttle.io_serviced"))
    if total_bytes == b"Total 0\n":
        return ()
    return parse_blkio(total_bytes, read(home, "blkio.throttle.io_serviced_recursive"))


def read_counts(directories: Directories, read: Read) -> tuple[int | None, int | None]:
    """(processes, threads)."""
    home = directories.get("pids") or directories.get("memory") or next(iter(directories.values()))
    processes, threads = read(home, "cgroup.procs"), read(home, "pids.current")
    return (
        None if processes is None else processes.count(b"\n"),
        None if threads is None else int(threads),
    )


def read_limits(directories: Directories, read: Read) -> Limits:
    cpu, memory = directories.get("cpu", ""), directories.get("memory", "")
    return Limits(
        cpu_shares=parse_limit(read(cpu, "cpu.shares")),
        cpu_quota_us=parse_limit(read(cpu, "cpu.cfs_quota_us")),
        cpu_period_us=parse_limit(read(cpu, "cpu.cfs_period_us")),
        memory_bytes=parse_limit(read(memory, "memory.limit_in_bytes")),
        memory_swap_bytes=parse_limit(read(memory, "memory.memsw.limit_in_bytes")),
        memory_reservation_bytes=parse_limit(read(memory, "memory.soft_limit_in_bytes")),
        threads=parse_limit(read(directories.get("pids", ""), "pids.max")),
    )

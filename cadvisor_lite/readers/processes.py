"""The processes of a cgroup, as `ps` tells them. The name is the program's alone: arguments may hold secrets.

Formats: proc(5), /proc/PID/stat and /proc/PID/status.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from cadvisor_lite.readers.files import read_optional

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """`started_s` is Unix time; `file_descriptors` is None where we may not look."""

    pid: int
    parent_pid: int
    uid: int
    name: str
    state: str
    cpu_s: float
    started_s: float
    rss_bytes: int
    virtual_bytes: int
    processor: int
    file_descriptors: int | None


def read_processes(proc: str, pids: Iterable[int], *, boot_time_s: float) -> list[ProcessSample]:
    """Those that live, in order. A process that ends while it is read is left out."""
    samples = (_read(f"{proc}/{pid}", pid, boot_time_s) for pid in sorted(pids))
    return [sample for sample in samples if sample is not None]


def parse_stat(data: bytes) -> tuple[str, list[bytes]]:
    """(name, the fields from the state on). The name may hold blanks and brackets."""
    head, _, rest = data.rpartition(b")")
    return head.partition(b"(")[2].decode(errors="replace"), rest.split()


def _read(directory: str, pid: int, boot_time_s: float) -> ProcessSample | None:
    stat, status = read_optional(directory + "/stat"), read_optional(directory + "/status")
    if not stat or status is None:
        return None
    name, fields = parse_stat(stat)
    return ProcessSample(
        pid=pid,
        parent_pid=int(fields[1]),
        uid=_uid(status),
        name=name,
        state=fields[0].decode(),
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
        started_s=boot_time_s + int(fields[19]) / _TICKS,
        rss_bytes=int(fields[21]) * _PAGE,
        virtual_bytes=int(fields[20]),
        processor=int(fields[36]),
        file_descriptors=_descriptors(directory + "/fd"),
    )


def _uid(status: bytes) -> int:
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[2])  # the effective one
    return 0


def _descriptors(directory: str) -> int | None:
    try:
        return len(os.listdir(directory))  # noqa: PTH208
    except OSError:
        return None

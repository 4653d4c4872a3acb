"""Everything served on /metrics: the containers' families, the machine, the version, and the monitor itself.

All are given family by family: text without the last line's end.

`container_info` carries what would multiply the series as labels of each: identities, and those labels of containers
that the settings name (`container_label_…`, as cAdvisor writes them).
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from cadvisor_lite.containers import Container
from cadvisor_lite.exposition import Number, Row, Source, container_labels, escape_label, head, render_families
from cadvisor_lite.families import CONTAINER_FAMILIES
from cadvisor_lite.readers import MachineSample
from cadvisor_lite.readers.files import read_optional
from cadvisor_lite.tracked import Snapshot, Tracked

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DISABLED = ("cpuLoad",)
_UNFIT = re.compile(r"[^a-zA-Z0-9_]")


def render_containers(
    snapshot: Snapshot, *, disabled: Collection[str] = DISABLED, shown_labels: Sequence[str] = ()
) -> Iterator[str]:
    """All containers and the root cgroup. `shown_labels`: of containers, for container_info."""
    rows: list[Row] = []
    for tracked, sample in snapshot.tracked:
        if not tracked.rendered_labels:
            tracked.rendered_labels = container_labels(tracked.container, tracked.cgroup)
        started_s = snapshot.machine.boot_time_s if tracked.container is None else tracked.container.started_s
        filesystems = snapshot.machine.filesystems if tracked.container is None else ()
        source = Source(sample, snapshot.devices, started_s, tracked.holdings, filesystems)
        rows.append((tracked.rendered_labels, source))
    yield from render_families([family for family in CONTAINER_FAMILIES if family.group not in disabled], rows)
    yield from _render_info(snapshot, shown_labels)
    help_ = "1 if there was an error while getting container metrics, 0 otherwise"
    yield head("container_scrape_error", "gauge", help_)
    yield f"container_scrape_error {int(snapshot.errors > 0)}"


def _render_info(snapshot: Snapshot, shown_labels: Sequence[str]) -> Iterator[str]:
    lines = []
    for tracked, _ in snapshot.tracked:
        if tracked.container is not None:
            tracked.rendered_info = tracked.rendered_info or _info(tracked, tracked.container, shown_labels)
            lines.append(tracked.rendered_info)
    if lines:
        help_ = "What is known of a container, as labels; the value is always 1."
        yield "\n".join((head("container_info", "gauge", help_), *lines))


def _info(tracked: Tracked, container: Container, shown_labels: Sequence[str]) -> str:
    facts = {
        "attempt": container.labels.get("io.kubernetes.container.restartCount", ""),
        "container_id": container.id,
        "image_id": container.image_id,
        "pod_uid": container.labels.get("io.kubernetes.pod.uid", ""),
    }
    for name in shown_labels:
        if name in container.labels:
            facts[f"container_label_{_UNFIT.sub('_', name)}"] = container.labels[name]
    extra = "".join(f',{name}="{escape_label(value)}"' for name, value in facts.items())
    return f"container_info{{{tracked.rendered_labels}{extra}}} 1"


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


def render_self(*, read_errors: Mapping[str, int], docker_failures: int) -> list[str]:
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
    errors = "cadvisor_lite_read_errors_total"
    return [
        head(errors, "counter", "Readings that failed, by reader; the others went on."),
        *(f'{errors}{{reader="{reader}"}} {count}' for reader, count in sorted(read_errors.items())),
        *(f"{head(name, kind, help_)}\n{name} {value}" for name, kind, help_, value in values),
    ]

"""/stats/summary, /metrics/resource and /metrics/probes: what metrics-server, dashboards and people ask a kubelet for.

Read from the kernel when asked, all containers in one reading. A rate is taken from the reading before; until there is
one it is left out, never guessed.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.probes.prober import Prober
from agent.runtime.cache import ContainerCache
from agent.runtime.records import ContainerRecord
from agent.server.stats_of_disk import Disks, stamp
from cadvisor_lite.readers import ContainerSample, CpuSample, MemorySample

Samples = Callable[[], Mapping[str, ContainerSample]]
MACHINE = ""
_CONTAINER = ["container", "namespace", "pod"]
_POD = ["namespace", "pod"]
_CPU, _MEMORY = "Cumulative cpu time consumed by the {} in core-seconds", "Current working set of the {} in bytes"
_START = "Start time of the container since unix epoch in seconds"
_PROBES = "Cumulative number of a liveness, readiness or startup probe for a container by result."
_ERROR = "1 if there was an error while getting container metrics, 0 otherwise"


@dataclass(frozen=True, slots=True)
class _Row:
    record: ContainerRecord
    sample: ContainerSample


def _rows(cache: ContainerCache, samples: Mapping[str, ContainerSample]) -> dict[str, list[_Row]]:
    """By uid; a pod's sandbox is among its rows."""
    found: dict[str, list[_Row]] = defaultdict(list)
    for record in cache.all():
        if record.id in samples:
            found[record.uid].append(_Row(record, samples[record.id]))
    return found


class ResourceCollector(Collector):
    """/metrics/resource, as metrics-server reads it."""

    def __init__(self, cache: ContainerCache, samples: Samples) -> None:
        self._cache = cache
        self._samples = samples

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        node_cpu = CounterMetricFamily("node_cpu_usage_seconds", _CPU.format("node"))
        node_memory = GaugeMetricFamily("node_memory_working_set_bytes", _MEMORY.format("node"))
        cpu = CounterMetricFamily("container_cpu_usage_seconds", _CPU.format("container"), labels=_CONTAINER)
        memory = GaugeMetricFamily("container_memory_working_set_bytes", _MEMORY.format("container"), labels=_CONTAINER)
        start = GaugeMetricFamily("container_start_time_seconds", _START, labels=_CONTAINER)
        pod_cpu = CounterMetricFamily("pod_cpu_usage_seconds", _CPU.format("pod"), labels=_POD)
        pod_memory = GaugeMetricFamily("pod_memory_working_set_bytes", _MEMORY.format("pod"), labels=_POD)
        samples = self._samples()
        machine = samples.get(MACHINE)
        if machine is not None and machine.cpu is not None and machine.memory is not None:
            node_cpu.add_metric([], machine.cpu.usage_ns / 1e9, timestamp=machine.time_s)
            node_memory.add_metric([], machine.memory.working_set_bytes, timestamp=machine.time_s)
        for rows in _rows(self._cache, samples).values():
            for row in rows:
                if not row.record.is_sandbox and row.sample.cpu is not None and row.sample.memory is not None:
                    labels, at = _labels(row.record), row.sample.time_s
                    cpu.add_metric(labels, row.sample.cpu.usage_ns / 1e9, timestamp=at)
                    memory.add_metric(labels, row.sample.memory.working_set_bytes, timestamp=at)
                    start.add_metric(labels, (row.record.started_at or row.record.created_at).timestamp())
            labels = _labels(rows[0].record)[1:]
            pod_cpu.add_metric(labels, _sum(rows, "cpu") / 1e9, timestamp=rows[0].sample.time_s)
            pod_memory.add_metric(labels, _sum(rows, "memory"), timestamp=rows[0].sample.time_s)
        yield from (node_cpu, node_memory, cpu, memory, start, pod_cpu, pod_memory)
        # The first name is that of before Kubernetes 1.29.
        for name in ("scrape_error", "resource_scrape_error"):
            yield GaugeMetricFamily(name, _ERROR, value=0 if machine else 1)


def _labels(record: ContainerRecord) -> list[str]:
    return [record.container, record.namespace, record.pod_name]


def _sum(rows: Iterable[_Row], what: str) -> int:
    """CPU in nanoseconds or working set in bytes of a whole pod, its sandbox included."""
    if what == "cpu":
        return sum(row.sample.cpu.usage_ns for row in rows if row.sample.cpu is not None)
    return sum(row.sample.memory.working_set_bytes for row in rows if row.sample.memory is not None)


class ProbeCollector(Collector):
    """/metrics/probes."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        labels = ["probe_type", "result", *_CONTAINER, "pod_uid"]
        family = CounterMetricFamily("prober_probe", _PROBES, labels=labels)
        for record, kind, result, count in self._prober.results():
            family.add_metric([kind.value, result, *_labels(record), record.uid], count)
        yield family


class Summary:
    """/stats/summary. Thread-safe."""

    def __init__(self, node: str, cache: ContainerCache, samples: Samples, disks: Disks) -> None:
        self._node = node
        self._cache = cache
        self._samples = samples
        self._disks = disks
        self._lock = threading.Lock()
        self._before: Mapping[str, ContainerSample] = {}

    def document(self) -> dict[str, Any]:
        samples = self._samples()
        with self._lock:
            before, self._before = self._before, samples
        node: dict[str, Any] = {"nodeName": self._node} | self._disks.of_node()
        if MACHINE in samples:
            node |= _usage(samples[MACHINE], before.get(MACHINE))
        pods = [self._pod(rows, before) for rows in _rows(self._cache, samples).values()]
        self._disks.add_to(pods)
        return {"node": node, "pods": pods}

    def _pod(self, rows: list[_Row], before: Mapping[str, ContainerSample]) -> dict[str, Any]:
        record = rows[0].record
        sandbox = next((row for row in rows if row.record.is_sandbox), None)
        document: dict[str, Any] = {
            "podRef": {"name": record.pod_name, "namespace": record.namespace, "uid": record.uid},
            "containers": [
                {"name": row.record.container, "startTime": _time(row.record.started_at)}
                | _usage(row.sample, before.get(row.record.id))
                for row in rows
                if not row.record.is_sandbox
            ],
            "cpu": {"time": stamp(rows[0].sample.time_s), "usageCoreNanoSeconds": _sum(rows, "cpu")},
            "memory": {"time": stamp(rows[0].sample.time_s), "workingSetBytes": _sum(rows, "memory")},
        }
        rates = [_rate(row.sample, before.get(row.record.id)) for row in rows]
        if all(rate is not None for rate in rates):
            document["cpu"]["usageNanoCores"] = sum(rate for rate in rates if rate is not None)
        if sandbox is not None:
            document["startTime"] = _time(sandbox.record.started_at)
            document |= _network(sandbox.sample)
        return document


def _usage(sample: ContainerSample, before: ContainerSample | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if sample.cpu is not None:
        found["cpu"] = _cpu(sample, sample.cpu, before)
    if sample.memory is not None:
        found["memory"] = _memory(sample, sample.memory)
    return found | _network(sample)


def _cpu(sample: ContainerSample, cpu: CpuSample, before: ContainerSample | None) -> dict[str, Any]:
    found: dict[str, Any] = {"time": stamp(sample.time_s), "usageCoreNanoSeconds": cpu.usage_ns}
    rate = _rate(sample, before)
    return found if rate is None else found | {"usageNanoCores": rate}


def _rate(sample: ContainerSample, before: ContainerSample | None) -> int | None:
    """Nanoseconds of CPU time a second; None without an earlier reading of the same run."""
    if before is None or before.cpu is None or sample.cpu is None or sample.time_s <= before.time_s:
        return None
    used = sample.cpu.usage_ns - before.cpu.usage_ns
    return int(used / (sample.time_s - before.time_s)) if used >= 0 else None


def _memory(sample: ContainerSample, memory: MemorySample) -> dict[str, Any]:
    return {
        "time": stamp(sample.time_s),
        "usageBytes": memory.usage_bytes,
        "workingSetBytes": memory.working_set_bytes,
        "rssBytes": memory.rss_bytes,
        "pageFaults": memory.page_faults,
        "majorPageFaults": memory.major_page_faults,
    }


def _network(sample: ContainerSample) -> dict[str, Any]:
    interfaces = [
        {
            "name": item.name, "rxBytes": item.receive_bytes, "rxErrors": item.receive_errors,
            "txBytes": item.transmit_bytes, "txErrors": item.transmit_errors,
        }
        for item in sample.network
    ]  # fmt: skip
    if not interfaces:
        return {}
    first = next((item for item in interfaces if item["name"] == "eth0"), interfaces[0])
    return {"network": {"time": stamp(sample.time_s), **first, "interfaces": interfaces}}


def _time(when: datetime | None) -> str | None:
    return None if when is None else stamp(when.timestamp())

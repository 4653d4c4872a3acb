"""Every field of the REST API is one that cAdvisor's own clients decode, of the type that they decode it to.

The types are those of cAdvisor's info/v1 and info/v2 (JSON tags); a "?" ends the name of a field that may be absent,
be it that cAdvisor leaves it out when empty or that nothing is measured here. What is not named here is not served.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from cadvisor_lite.containers import Container
from cadvisor_lite.main import CadvisorLite

APP = "2e" * 32
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def uint(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**64


def text(value: Any) -> bool:
    return type(value) is str


def flag(value: Any) -> bool:
    return type(value) is bool


def time(value: Any) -> bool:
    return type(value) is str and TIME.fullmatch(value) is not None


def floating(value: Any) -> bool:
    return type(value) in (int, float)


def table(value: Any) -> bool:
    return type(value) is dict and all(text(entry) for entry in value.values())


FS_INFO = {"device": text, "capacity": uint, "type": text, "inodes": uint, "has_inodes": flag}
# Two that cAdvisor does not have: where it is mounted, and what is left.
FS_INFO |= {"available?": uint, "mount_point?": text}
NET_INFO = {"name": text, "mac_address": text, "speed": uint, "mtu": uint}
MACHINE = {
    "timestamp": time,
    **dict.fromkeys(("num_cores", "num_physical_cores", "num_sockets", "cpu_frequency_khz"), uint),
    **dict.fromkeys(("memory_capacity", "swap_capacity"), uint),
    **dict.fromkeys(("machine_id", "system_uuid", "boot_id"), text),
    "filesystems": [FS_INFO],
    "network_devices": [NET_INFO],
    **dict.fromkeys(("cloud_provider", "instance_type", "instance_id"), text),
}
ATTRIBUTES = {
    **dict.fromkeys(("kernel_version", "container_os_version", "docker_version", "cadvisor_version"), text),
    **dict.fromkeys(("num_cores", "cpu_frequency_khz", "memory_capacity"), uint),
    **dict.fromkeys(("machine_id", "system_uuid", "cloud_provider", "instance_type"), text),
    "filesystems": [FS_INFO],
    "network_devices": [NET_INFO],
}
SPEC = {
    "creation_time": time,
    "labels?": table,
    "has_cpu": flag,
    "cpu": {"limit": uint, "max_limit": uint, "quota?": uint, "period?": uint},
    "has_memory": flag,
    "memory": {"limit?": uint, "reservation?": uint, "swap_limit?": uint},
    "has_processes": flag,
    "processes": {"limit?": uint},
    **dict.fromkeys(("has_hugetlb", "has_network", "has_filesystem", "has_diskio", "has_custom_metrics"), flag),
    "image?": text,
}
FAULTS = {"pgfault": uint, "pgmajfault": uint}
MEMORY = {
    **dict.fromkeys(("usage", "max_usage", "cache", "rss", "swap", "mapped_file", "working_set", "failcnt"), uint),
    "container_data": FAULTS,
    "hierarchical_data": FAULTS,
}
DISK = {"device": text, "major": uint, "minor": uint, "stats": {"Read": uint, "Write": uint, "Total": uint}}
COUNTERS = ("bytes", "packets", "errors", "dropped")
INTERFACE = {"name": text, **{f"{way}_{counter}": uint for way in ("rx", "tx") for counter in COUNTERS}}
FS_STATS = {"device": text, "type": text, "capacity": uint, "usage": uint, "has_inodes": flag, "inodes": uint}
FS_STATS |= dict.fromkeys(("base_usage?", "available?", "inodes_free?"), uint)
STATS = {
    "timestamp": time,
    "cpu?": {
        "usage": {"total": uint, "user": uint, "system": uint},
        "cfs": {"periods": uint, "throttled_periods": uint, "throttled_time": uint},
    },
    "memory?": MEMORY,
    "oom_events?": uint,
    "diskio?": {"io_service_bytes": [DISK], "io_serviced": [DISK]},
    "processes?": {"process_count": uint, "threads_current": uint, "threads_max": uint},
}
CONTAINER_V1 = {
    "id?": text,
    "name": text,
    "aliases?": [text],
    "namespace?": text,
    "subcontainers?": [{"name": text}],
    "spec": SPEC | {"start_time?": time},
    "stats": [STATS | {"network?": INTERFACE | {"interfaces": [INTERFACE]}, "filesystem?": [FS_STATS]}],
}
SPEC_V2 = SPEC | {"aliases": [text], "namespace": text}
STATS_V2 = STATS | {"cpu_inst?": {"usage": {"total": uint, "user": uint, "system": uint}}}
STATS_V2 |= {"network?": {"interfaces": [INTERFACE]}}
WRITTEN = dict.fromkeys(("totalUsageBytes", "baseUsageBytes", "containter_inode_usage"), uint)
PERCENTILES = {"present": flag, **dict.fromkeys(("mean", "max", "fifty", "ninety", "ninetyfive"), uint)}
USAGE = {"percent_complete": uint, "cpu": PERCENTILES, "memory": PERCENTILES}
SUMMARY = {
    "timestamp": time,
    "latest_usage": {"cpu": uint, "memory": uint},
    **dict.fromkeys(("minute_usage", "hour_usage", "day_usage"), USAGE),
}
STORAGE = {
    "timestamp": time,
    **dict.fromkeys(("device", "mountpoint"), text),
    **dict.fromkeys(("capacity", "available", "usage", "inodes", "inodes_free"), uint),
    "labels": [text],
}
PROCESS = {
    **dict.fromkeys(("user", "start_time", "status", "running_time", "cgroup_path", "cmd"), text),
    **dict.fromkeys(("pid", "parent_pid", "rss", "virtual_size", "fd_count", "psr"), uint),
    **dict.fromkeys(("percent_cpu", "percent_mem"), floating),
}
EVENT = {"container_name": text, "timestamp": time, "event_type": text, "event_data": {}}
OF_NAME = "each value of a map"


def wrong(document: Any, kind: Any, path: str = "") -> list[str]:
    """Where the document differs from the type, in words."""
    if callable(kind):
        return [] if kind(document) else [f"{path}: {document!r} is no {kind.__name__}"]
    if isinstance(kind, list):
        if not isinstance(document, list):
            return [f"{path}: is no list"]
        return [line for entry in document for line in wrong(entry, kind[0], path + "[]")]
    if not isinstance(document, dict):
        return [f"{path}: is no object"]
    if OF_NAME in kind:
        return [line for entry in document.values() for line in wrong(entry, kind[OF_NAME], path + "{}")]
    known = {name.removesuffix("?"): (inner, name.endswith("?")) for name, inner in kind.items()}
    found = [f"{path}.{name}: is not in cAdvisor's type" for name in document.keys() - known.keys()]
    found += [f"{path}.{name}: is missing" for name, (_, may) in known.items() if not may and name not in document]
    for name in document.keys() & known.keys():
        found += wrong(document[name], known[name][0], f"{path}.{name}")
    return found


@pytest.fixture
def cadvisor(
    recorded: Path,
    start_cadvisor: Callable[..., CadvisorLite],
    recorded_containers: list[Container],
    tmp_path: Path,
) -> CadvisorLite:
    """With two samples of each container, and a layer on the disk to be counted."""
    cadvisor = start_cadvisor(
        recorded, docker_host=f"unix://{tmp_path / 'none.sock'}", disable_metrics=(), housekeeping_interval_s=3600,
        storage_duration_s=7200,
    )  # fmt: skip
    layer = tmp_path / "layer"
    layer.mkdir()
    for container in recorded_containers:
        cadvisor.monitor.put(replace(container, layer=str(layer)))
    cadvisor.monitor.keep_house_once()
    return cadvisor


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("v1.3/machine", MACHINE),
        ("v1.3/containers", CONTAINER_V1),
        ("v1.3/subcontainers", [CONTAINER_V1]),
        ("v1.3/docker", {OF_NAME: CONTAINER_V1}),
        ("v1.3/events?all_events=true&subcontainers=true", [EVENT]),
        ("v2.1/machine", MACHINE),
        ("v2.1/attributes", ATTRIBUTES),
        ("v2.1/stats?recursive=true", {OF_NAME: {"spec": SPEC_V2, "stats": [STATS_V2 | {"filesystem?": WRITTEN}]}}),
        ("v2.1/spec?recursive=true", {OF_NAME: SPEC_V2}),
        ("v2.1/summary?recursive=true", {OF_NAME: SUMMARY}),
        ("v2.1/machinestats", [STATS_V2 | {"filesystem?": [FS_STATS]}]),
        ("v2.1/storage", [STORAGE]),
        (f"v2.1/ps/{APP}?type=docker", [PROCESS]),
    ],
)
def test_a_document_has_these_fields_and_no_others(cadvisor: CadvisorLite, path: str, kind: Any) -> None:
    answer = requests.get(f"http://127.0.0.1:{cadvisor.port}/api/{path}", timeout=20)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert wrong(answer.json(), kind) == []


def test_limits_faults_threads_and_kills_stand_where_clients_look(cadvisor: CadvisorLite) -> None:
    (app,) = requests.get(f"http://127.0.0.1:{cadvisor.port}/api/v1.3/docker/{APP}", timeout=20).json().values()
    spec, newest = app["spec"], app["stats"][-1]
    first = cadvisor.monitor.all_tracked()[0].cgroup.version == 1
    shares, threads = (512, 0) if first else (500, 4915)  # a weight of v2 is coarser than shares
    assert spec["cpu"] == {"limit": shares, "max_limit": 0, "period": 100000, "quota": 50000}
    assert spec["memory"]["limit"] == 256 * 2**20
    assert newest["processes"] == {"process_count": 2, "threads_current": 4, "threads_max": threads}
    assert newest["oom_events"] == 2
    assert newest["memory"]["hierarchical_data"] == {"pgfault": 2200, "pgmajfault": 22}
    assert newest["filesystem"][0]["base_usage"] <= newest["filesystem"][0]["usage"]
    assert newest["cpu"]["cfs"]["throttled_time"] == 4_500_000_000
    assert newest["cpu"]["usage"]["total"] // 1000 == 12_345_678


def test_samples_are_those_of_the_time_that_the_body_names(cadvisor: CadvisorLite) -> None:
    url = f"http://127.0.0.1:{cadvisor.port}/api/v1.3/containers/"
    zero = "0001-01-01T00:00:00Z"  # what cAdvisor's own client sends for "not set"
    every = [one["timestamp"] for one in requests.post(url, json={"num_stats": -1}, timeout=20).json()["stats"]]
    assert len(every) >= 2

    def asked(**body: Any) -> list[str]:
        answer = requests.post(url, json={"num_stats": -1, **body}, timeout=20)
        assert answer.status_code == 200
        return [one["timestamp"] for one in answer.json()["stats"]]

    assert asked(start=zero, end=zero)[: len(every) - 1] == every[:-1]
    assert asked(end=every[0]) == every[:1]
    assert every[0] not in asked(start=every[1])
    assert asked(start="2999-01-01T00:00:00.123456789+02:00") == []
    for wrong_time in ("yesterday", 5, ["2999-01-01T00:00:00Z"]):
        refused = requests.post(url, json={"start": wrong_time}, timeout=20)
        assert (refused.status_code, refused.text.partition(":")[0]) == (400, "start")

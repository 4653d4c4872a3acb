"""A load of known use, in a real container: what is told lies between two looks at the kernel's own counters.

The container may use half a core and holds 64 MiB. How much of its half it gets on a busy machine, only the kernel
knows: so the figures are held against the kernel's over the same time, and against the half where it was had.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests
from docker.api import APIClient

from cadvisor_lite.main import CadvisorLite
from cadvisor_lite.readers import Cgroup, find_cgroup, read_container
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker
MEBIBYTE = 2**20
HELD = 64 * MEBIBYTE
Kernel = Callable[[], int]


def kernel_ns(cgroup: Cgroup) -> int:
    """The processor time of the cgroup, read apart from the code under test."""
    directory = cgroup.directories.get("cpuacct") or cgroup.directories[""]
    if cgroup.version == 1:
        return int(open(f"{directory}/cpuacct.usage").read())  # noqa: PTH123
    with open(f"{directory}/cpu.stat") as stat:  # noqa: PTH123
        return int(dict(line.split() for line in stat)["usage_usec"]) * 1000


def told(cadvisor: CadvisorLite, container_id: str) -> dict[str, Any]:
    """The newest sample as the REST API tells it."""
    answer = requests.post(
        f"http://127.0.0.1:{cadvisor.port}/api/v1.3/docker/{container_id}", json={"num_stats": 1}, timeout=5
    )
    (info,) = answer.json().values()
    return dict(info["stats"][-1])


def seconds(sample: dict[str, Any]) -> float:
    return datetime.fromisoformat(sample["timestamp"].replace("Z", "+00:00")).timestamp()


def test_half_a_core_and_64_mebibytes_are_told_within_three_percent(
    start_cadvisor: Callable[..., CadvisorLite],
    run_container: Callable[..., str],
    docker_client: APIClient,
) -> None:
    fill = "dd if=/dev/zero of=/dev/shm/held bs=1M count=64; while :; do :; done"
    container_id = run_container("sh", "-c", fill, nano_cpus=500_000_000, shm_size=80 * MEBIBYTE)
    cadvisor = start_cadvisor()
    until(lambda: container_id in cadvisor.monitor.ids(), limit_s=60, what="the container to be followed")
    cgroup = find_cgroup(docker_client.inspect_container(container_id)["State"]["Pid"])
    until(lambda: told(cadvisor, container_id)["memory"]["usage"] >= HELD, limit_s=60, what="it to hold its memory")

    begin, early = kernel_ns(cgroup), told(cadvisor, container_id)
    after_begin = kernel_ns(cgroup)
    periods = read_container(cgroup, None).cpu
    assert periods is not None

    def enough() -> bool:
        now = read_container(cgroup, None).cpu
        return now is not None and now.cfs_periods >= periods.cfs_periods + 30

    until(enough, limit_s=60, what="thirty periods of its limit")
    before_end, late = kernel_ns(cgroup), told(cadvisor, container_id)
    end = kernel_ns(cgroup)
    ended = read_container(cgroup, None)
    assert ended.cpu is not None

    first, last = early["cpu"]["usage"]["total"], late["cpu"]["usage"]["total"]
    assert begin <= first <= after_begin
    assert before_end <= last <= end
    rate = (last - first) / 1e9 / (seconds(late) - seconds(early))
    assert rate <= 0.5 * 1.03
    throttled = ended.cpu.cfs_throttled_periods - periods.cfs_throttled_periods
    if throttled >= ended.cpu.cfs_periods - periods.cfs_periods - 1:  # it had its half in every period
        assert rate == pytest.approx(0.5, rel=0.03)
    assert late["memory"]["working_set"] == pytest.approx(HELD, rel=0.03)
    assert late["memory"]["usage"] == pytest.approx(HELD, rel=0.03)

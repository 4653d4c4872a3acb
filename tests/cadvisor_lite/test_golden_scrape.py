"""A scrape of a recorded host is, line for line, the one that is kept beside the recording."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from cadvisor_lite import metrics
from cadvisor_lite.monitor import Monitor

RECORDED = Path(__file__).parent / "recorded"


def scrape(monitor: Monitor) -> str:
    snapshot = monitor.snapshot()
    lines = [*metrics.render_containers(snapshot), *metrics.render_machine(snapshot.machine)]
    lines += metrics.render_version(snapshot.machine, docker_version="20.10.24", version="1.2.3")
    text = re.sub(r"^(container_last_seen\{.*\}) \d+$", r"\1 NOW", "\n".join(lines) + "\n", flags=re.MULTILINE)
    # The file systems are those of the machine that the test runs on.
    return re.sub(r"^(container_fs_(?:limit|usage|inodes)_.*\}) \d+$", r"\1 SIZE", text, flags=re.MULTILINE)


def test_the_scrape_of_a_recorded_host_is_the_golden_one(recorded: Path, monitor: Monitor) -> None:
    assert scrape(monitor) == (RECORDED / f"{recorded.name}.metrics").read_text()


def test_a_prometheus_client_reads_every_line_of_it(monitor: Monitor) -> None:
    text = scrape(monitor).replace("NOW", "1").replace("SIZE", "1")
    families = list(text_string_to_metric_families(text))
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert sum(len(family.samples) for family in families) == len(samples)
    assert {family.type for family in families} == {"counter", "gauge"}


def test_only_the_sandbox_of_a_pod_and_the_machine_have_network_series(monitor: Monitor) -> None:
    lines = [line for line in scrape(monitor).splitlines() if line.startswith("container_network_receive_bytes_total")]
    assert len(lines) == 2
    assert 'id="/"' in lines[0]
    assert 'container="POD"' in lines[1]
    assert 'pod="redis-master-x1"' in lines[1]


def test_working_set_is_usage_less_the_inactive_file_cache(monitor: Monitor) -> None:
    line = next(
        line
        for line in scrape(monitor).splitlines()
        if line.startswith("container_memory_working_set_bytes") and 'container="master"' in line
    )
    assert line.endswith(f" {104857600 - 20971520}")

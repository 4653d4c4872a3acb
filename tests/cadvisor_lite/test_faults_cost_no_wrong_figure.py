"""What goes wrong on a busy host: no wrong figure, no series that stays for ever, no scrape that fails."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.main import CadvisorLite
from cadvisor_lite.monitor import Monitor

APP = "2e" * 32
HOSTILE = '<script>alert("x")</script>\\\n"} 1\n# TYPE {{$x}}'
PROGRAMS_START = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec"}
EVERY_ANSWER = (
    "/metrics", "/", "/healthz", "/api/v1.3/machine", "/api/v1.3/containers/", "/api/v1.3/subcontainers/",
    "/api/v1.3/docker", "/api/v2.1/machine", "/api/v2.1/stats?type=docker&recursive=true", "/api/v2.1/summary",
    "/api/v2.1/spec?type=docker&recursive=true", "/api/v2.1/ps", "/api/v2.1/storage",
)  # fmt: skip
V1 = ("cpu", "cpuacct", "memory", "blkio", "pids")


def scrape(cadvisor: CadvisorLite) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Series by name; fails when the answer is no 200 or a line cannot be read."""
    answer = requests.get(f"http://127.0.0.1:{cadvisor.port}/metrics", timeout=20)
    assert answer.status_code == 200
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def containers_of(cadvisor: CadvisorLite) -> list[str]:
    """Ids of the containers whose CPU is told; quicker than to read every line."""
    answer = requests.get(f"http://127.0.0.1:{cadvisor.port}/metrics", timeout=20)
    assert answer.status_code == 200
    return re.findall(r'^container_cpu_usage_seconds_total{.*?id="([^"]*)"', answer.text, re.MULTILINE)


def lay_out(recorded: Path, app: Container, count: int) -> list[Container]:
    """As many containers as this, each with a cgroup and a process of its own, like the recorded one."""
    made = []
    for number in range(count):
        identity, pid = f"{number:064x}", 100_000 + number
        for directory in [*recorded.glob(f"cgroup/**/*{APP}*")]:
            shutil.copytree(directory, directory.with_name(directory.name.replace(APP, identity)))
        shutil.copytree(recorded / "proc/4202", recorded / f"proc/{pid}")
        cgroup = recorded / f"proc/{pid}/cgroup"
        cgroup.write_text(cgroup.read_text().replace(APP, identity))
        made.append(replace(app, id=identity, pid=pid, name=f"k8s_app_pod-{number}"))
    return made


def remove(recorded: Path, container: Container) -> None:
    """As the kernel does at the end of a container: process and cgroups go."""
    for directory in [*recorded.glob(f"cgroup/**/*{container.id}*")]:
        shutil.rmtree(directory)
    shutil.rmtree(recorded / f"proc/{container.pid}")


def without_docker(start: Callable[..., CadvisorLite], recorded: Path, tmp_path: Path) -> CadvisorLite:
    return start(recorded, docker_host=f"unix://{tmp_path / 'none.sock'}")


def test_a_container_that_lives_between_two_scrapes_leaves_nothing_behind(
    recorded: Path, start_cadvisor: Callable[..., CadvisorLite], recorded_containers: list[Container], tmp_path: Path
) -> None:
    cadvisor = without_docker(start_cadvisor, recorded, tmp_path)
    first = scrape(cadvisor)
    (short,) = lay_out(recorded, recorded_containers[1], 1)
    cadvisor.monitor.put(short)
    remove(recorded, short)
    second = scrape(cadvisor)
    assert {name: len(rows) for name, rows in second.items()} == {name: len(rows) for name, rows in first.items()}
    assert list(cadvisor.monitor.ids()) == []
    assert second["container_scrape_error"] == [({}, 0.0)]


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """The recorded host of cgroup v2 in memory, where there is some for files: thousands of them are made."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(shutil.copytree(Path(__file__).parent / "recorded/v2", Path(directory) / "v2"))


def test_five_hundred_containers_may_start_at_once_while_scrapes_go_on(
    in_memory: Path, start_cadvisor: Callable[..., CadvisorLite], recorded_containers: list[Container], tmp_path: Path
) -> None:
    recorded = in_memory
    cadvisor = without_docker(start_cadvisor, recorded, tmp_path)
    containers = lay_out(recorded, recorded_containers[1], 500)
    seen: list[int] = []
    done = threading.Event()

    def scrape_on() -> None:
        while not done.is_set():
            seen.append(len(containers_of(cadvisor)))

    with ThreadPoolExecutor(1, "scraper") as scraper:
        scraping = scraper.submit(scrape_on)
        for container in containers:
            cadvisor.monitor.put(container)
        done.set()
        scraping.result(30)
    assert seen == sorted(seen)
    ids = containers_of(cadvisor)
    assert (len(ids), len(set(ids))) == (501, 501)
    for container in containers[:250]:
        remove(recorded, container)
    for container in containers[250:]:
        cadvisor.monitor.drop(container.id)
    assert len(scrape(cadvisor)["container_memory_usage_bytes"]) == 1
    assert not [name for name, rows in scrape(cadvisor).items() if len(rows) > 20]


def test_a_cgroup_that_vanishes_while_it_is_read_gives_a_whole_sample_or_none(
    recorded: Path, start_cadvisor: Callable[..., CadvisorLite], recorded_containers: list[Container], tmp_path: Path
) -> None:
    cadvisor = without_docker(start_cadvisor, recorded, tmp_path)
    for round_number in range(5):
        containers = lay_out(recorded, recorded_containers[1], 20)
        for container in containers:
            cadvisor.monitor.put(container)
        with ThreadPoolExecutor(1, "remover") as remover:
            removing = remover.submit(lambda gone=containers: [remove(recorded, one) for one in gone])
            while not removing.done():
                for labels, value in scrape(cadvisor)["container_cpu_usage_seconds_total"]:
                    assert value > 0, labels
            removing.result()
        assert len(scrape(cadvisor)["container_memory_usage_bytes"]) == 1, f"round {round_number}"
    assert cadvisor.monitor.read_errors["cgroup"] == 0


def test_a_counter_that_resets_is_told_as_the_kernel_tells_it_and_draws_no_rate(
    recorded: Path, monitor: Monitor
) -> None:
    monitor.keep_house_once()
    for file in [*recorded.glob(f"cgroup/**/*{APP}*/cpuacct.usage")]:
        file.write_text("5000000\n")
    for file in [*recorded.glob(f"cgroup/**/*{APP}*/cpu.stat")]:
        file.write_text(file.read_text().replace("usage_usec 12345678", "usage_usec 5000"))
    monitor.keep_house_once()
    app = next(one for one in monitor.all_tracked() if one.container and one.container.id == APP)
    assert [sample.cpu.usage_ns // 1000 for sample in app.history if sample.cpu] == [12345678, 5000]


def test_names_full_of_markup_and_a_thousand_labels_are_one_series_each(
    recorded: Path, start_cadvisor: Callable[..., CadvisorLite], recorded_containers: list[Container], tmp_path: Path
) -> None:
    cadvisor = without_docker(start_cadvisor, recorded, tmp_path)
    labels = {f"{HOSTILE}-{number}": HOSTILE for number in range(1000)}
    app = recorded_containers[1]
    cadvisor.monitor.put(replace(app, name=HOSTILE, image=HOSTILE, labels={**app.labels, **labels}))
    series = scrape(cadvisor)
    told = [found for found, _ in series["container_memory_usage_bytes"] if found["name"]]
    assert [found["name"] for found in told] == [HOSTILE]
    assert sorted(told[0]) == ["container", "id", "image", "name", "namespace", "pod"]
    assert len(series["container_info"]) == 1
    document = requests.get(f"http://127.0.0.1:{cadvisor.port}/api/v1.3/docker", timeout=5)
    (info,) = json.loads(document.text).values()
    assert info["spec"]["labels"][f"{HOSTILE}-999"] == HOSTILE
    page = requests.get(f"http://127.0.0.1:{cadvisor.port}/", timeout=5).text
    assert "<script>alert" not in page


def test_each_reader_that_fails_is_counted_by_name_and_the_others_go_on(
    recorded: Path, make_config: Callable[..., Config], recorded_containers: list[Container]
) -> None:
    """Files that are directories: the kernel's answer to a disk or driver gone wrong (EISDIR here, EIO there)."""
    monitor = Monitor(make_config(recorded))
    for pattern in (f"cgroup/**/*{APP}*/pids.current", f"cgroup/**/*{APP}*/cpu.stat"):
        for file in [*recorded.glob(pattern)]:
            file.unlink()
            file.mkdir()
    for container in recorded_containers:
        monitor.put(container)
    snapshot = monitor.snapshot()
    samples = {one.container.id: sample for one, sample in snapshot.tracked if one.container}
    assert samples[APP].memory is not None
    assert samples[APP].io
    assert samples[APP].cpu is None
    assert samples["1f" * 32].cpu is not None
    assert {reader: count for reader, count in monitor.read_errors.items() if count} == {"cpu": 1, "processes": 1}
    assert snapshot.errors == 2


def test_no_figure_is_had_by_starting_a_program(
    recorded: Path, start_cadvisor: Callable[..., CadvisorLite], recorded_containers: list[Container], tmp_path: Path
) -> None:
    """What Python tells of programs started is listened to, from the monitor's start through every kind of answer."""
    started: list[str] = []
    listening = True

    def listen(event: str, _arguments: object) -> None:
        if listening and event in PROGRAMS_START:
            started.append(event)

    sys.addaudithook(listen)  # for good: none can be taken away
    try:
        cadvisor = without_docker(start_cadvisor, recorded, tmp_path)
        cadvisor.monitor.put(recorded_containers[1])
        cadvisor.monitor.keep_house_once()
        for path in EVERY_ANSWER:
            answer = requests.get(f"http://127.0.0.1:{cadvisor.port}{path}", timeout=20)
            assert answer.status_code == 200, (path, answer.text)
        assert started == []
        subprocess.run(["true"], check=True)
        assert started, "a program was started and nobody was told"
    finally:
        listening = False

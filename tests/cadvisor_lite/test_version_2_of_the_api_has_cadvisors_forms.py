"""/api/v2.1 over real sockets, of a recorded host: the keys and units that clients of cAdvisor read."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from cadvisor_lite.containers import Container
from cadvisor_lite.main import CadvisorLite
from cadvisor_lite.rest_v2 import percentiles
from tests.e2e.waiting import until

POD = "1f" * 32
APP = "2e" * 32


@pytest.fixture
def cadvisor(
    recorded: Path,
    start_cadvisor: Callable[..., CadvisorLite],
    recorded_containers: list[Container],
    tmp_path: Path,
) -> CadvisorLite:
    """Its one round of housekeeping is over."""
    cadvisor = start_cadvisor(
        recorded,
        docker_host=f"unix://{tmp_path / 'none.sock'}",
        housekeeping_interval_s=3600,
        storage_duration_s=36000,
    )
    until(lambda: cadvisor.monitor.all_tracked()[0].history, what="the first round")
    for container in recorded_containers:
        cadvisor.monitor.put(container)
    return cadvisor


@pytest.fixture
def ask(cadvisor: CadvisorLite) -> Callable[..., requests.Response]:
    return lambda path, **query: requests.get(f"http://127.0.0.1:{cadvisor.port}/api/{path}", params=query, timeout=5)


Ask = Callable[..., requests.Response]


def test_stats_are_spec_and_samples_by_cgroup_without_the_root(ask: Ask) -> None:
    of_all = ask("v2.1/stats/", recursive="true").json()
    assert sorted(name.rsplit("/", 1)[-1].removeprefix("docker-")[:64] for name in of_all) == [POD, APP]
    (app,) = ask(f"v2.1/stats/{APP}", type="docker", count=1).json().values()
    assert app["spec"]["namespace"] == "docker"
    assert APP in app["spec"]["aliases"]
    assert app["spec"]["has_memory"]
    assert app["spec"]["labels"]["io.kubernetes.container.name"] == "master"
    (sample,) = app["stats"]
    assert sample["memory"]["working_set"] == 104857600 - 20971520
    assert sample["cpu"]["usage"]["total"] > 0
    assert {entry["stats"]["Total"] for entry in sample["diskio"]["io_service_bytes"]}
    (pod,) = ask(f"v2.1/stats/{POD[:12]}", type="docker").json().values()
    assert [interface["name"] for interface in pod["stats"][-1]["network"]["interfaces"]] == ["eth0"]


def test_the_rate_between_two_samples_is_told_in_nanocores_and_never_across_a_reset(
    ask: Ask, cadvisor: CadvisorLite
) -> None:
    tracked = next(one for one in cadvisor.monitor.all_tracked() if one.container and one.container.id == APP)
    newest = next(sample for one, sample in cadvisor.monitor.snapshot().tracked if one is tracked)
    assert newest.cpu is not None
    cpu = newest.cpu
    now = time.time()
    reset = newest._replace(time_s=now - 30, cpu=cpu._replace(usage_ns=cpu.usage_ns + 10**9))
    before = newest._replace(time_s=now - 10, cpu=cpu._replace(usage_ns=cpu.usage_ns - 5 * 10**9))
    tracked.history.clear()
    tracked.history.extend([reset, before])
    (stats,) = (info["stats"] for info in ask(f"v2.1/stats/{APP}", type="docker", count=3).json().values())
    assert "cpu_inst" not in stats[0]
    assert "cpu_inst" not in stats[1]
    assert stats[2]["cpu_inst"]["usage"]["total"] == pytest.approx(0.5e9, rel=0.1)
    (summary,) = ask(f"v2.1/summary/{APP}", type="docker").json().values()
    assert summary["latest_usage"]["cpu"] == pytest.approx(500, rel=0.1)
    assert summary["minute_usage"]["cpu"]["max"] == pytest.approx(500, rel=0.1)
    assert summary["minute_usage"]["memory"]["present"]
    assert summary["minute_usage"]["percent_complete"] == pytest.approx(50, abs=3)
    assert not summary["hour_usage"]["cpu"]["present"]


def test_machine_attributes_version_and_storage_tell_of_the_machine(ask: Ask) -> None:
    assert ask("v2.1/machine").json()["num_cores"] == 4
    attributes = ask("v2.1/attributes").json()
    assert (attributes["num_cores"], attributes["kernel_version"]) == (4, "6.1.0-recorded")
    assert isinstance(ask("v2.1/version").json(), str)
    (root,) = ask("v2.1/storage", label="root").json()
    assert (root["mountpoint"], root["device"]) == ("/", "/dev/vda")
    assert 0 < root["available"] <= root["capacity"]
    assert ask("v2.1/storage", label="absent").status_code == 404
    (sample,) = ask("v2.1/machinestats", count=1).json()
    assert sample["memory"]["usage"] > 0
    assert [fs["device"] for fs in sample["filesystem"]] == ["/dev/vda"]


def test_processes_are_told_by_name_without_their_arguments(ask: Ask, recorded: Path) -> None:
    fields = "S 4201 1 1 0 -1 0 9 0 0 0 250 50 0 0 20 0 1 0 100000 10485760 2560 " + "0 " * 14 + "1 0 0 0 0"
    (recorded / "proc/4202/stat").write_text(f"4202 (a b) c) {fields}\n")
    (recorded / "proc/4202/status").write_text("Name:\ta b) c\nUid:\t0\t0\t0\t0\n")
    (recorded / "proc/4202/cmdline").write_text("redis\0--requirepass\0geheim\0")
    (recorded / "proc/4202/fd").mkdir()
    for cgroup in recorded.glob(f"cgroup/**/*{APP}*/**/cgroup.procs"):
        cgroup.write_text("4202\n999999\n")
    answer = ask(f"v2.1/ps/{APP}", type="docker")
    (process,) = answer.json()
    assert (process["pid"], process["parent_pid"], process["cmd"]) == (4202, 4201, "a b) c")
    assert (process["user"], process["status"], process["running_time"]) == ("root", "S", "00:00:03")
    assert (process["virtual_size"], process["rss"]) == (10485760, 2560 * 4096)
    assert "geheim" not in answer.text


def test_events_tell_what_came_went_and_ran_out_of_memory(ask: Ask, cadvisor: CadvisorLite, recorded: Path) -> None:
    cadvisor.monitor.keep_house_once()
    for file in [
        *recorded.glob(f"cgroup/**/*{APP}*/memory.oom_control"),
        *recorded.glob(f"cgroup/**/*{APP}*/memory.events"),
    ]:
        lines = (line.split() for line in file.read_text().splitlines())
        file.write_text("".join(f"{key} {int(value) + (key == 'oom_kill')}\n" for key, value in lines))
    cadvisor.monitor.keep_house_once()
    cadvisor.monitor.drop(POD)
    for path in ("v1.3/events", "v2.1/events"):
        kinds = [event["event_type"] for event in ask(path, all_events="true", subcontainers="true").json()]
        assert kinds == ["containerCreation", "containerCreation", "oomKill", "containerDeletion"]
    (kill,) = ask("v2.1/events", oom_kill_events="true", subcontainers="true").json()
    assert APP in kill["container_name"]
    assert ask("v2.1/events", all_events="true").json() == []
    everything = {"all_events": "1", "subcontainers": "T"}
    assert len(ask("v2.1/events", **everything, max_events="1").json()) == 1
    assert ask("v2.1/events", **everything, start_time="2999-01-01T00:00:00Z").json() == []
    assert ask("v2.1/events", **everything, end_time="1999-01-01T00:00:00Z").json() == []
    for _ in range(10):
        cadvisor.monitor.events.add("/x", "containerCreation")
    assert len(ask("v2.1/events", **everything).json()) == 10
    assert len(ask("v2.1/events", **everything, max_events="-1").json()) == 14


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("v2.1/stats/absent", {}, 404, "unknown container '/absent'"),
        ("v2.1/stats/absent", {"type": "docker"}, 404, "unable to find Docker container 'absent'"),
        ("v2.1/stats", {"type": "pod"}, 400, "unknown 'type' \"pod\""),
        ("v2.1/stats", {"count": "-2"}, 400, "invalid 'count' option"),
        ("v2.1/stats", {"count": "many"}, 400, "failed to parse 'count' option"),
        ("v2.1/stats", {"max_age": "soon"}, 400, "failed to parse 'max_age' option: soon"),
        ("v2.1/stats", {"max_age": "1h1.5m", "recursive": "true"}, 200, "spec"),
        ("v2.1/events", {"stream": "true"}, 501, "a stream of events is not served"),
        ("v2.1/storage", {"uuid": "x"}, 501, "storage by uuid is not served"),
        ("v2.1/what", {}, 404, 'unknown request type "what"'),
        ("v2.1", {}, 400, "Supported request types"),
        ("", {}, 400, "Supported API versions: v1.3,v2.1"),
        ("v2.1/machine", {str(number): "x" for number in range(60)}, 400, "the query may have 50 fields"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(
    ask: Ask, path: str, query: dict[str, str], status: int, words: str
) -> None:
    answer = ask(path, **query)
    assert (answer.status_code, words in answer.text) == (status, True)


def test_percentiles_of_nothing_are_told_to_be_absent() -> None:
    assert not percentiles([])["present"]
    assert percentiles(list(range(100, 0, -1))) == {
        "present": True,
        "mean": 50,
        "max": 100,
        "fifty": 51,
        "ninety": 91,
        "ninetyfive": 96,
    }

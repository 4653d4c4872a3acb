"""The server over real sockets: what is served, what is refused, and names that would like to be markup."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from cadvisor_lite import http_server
from cadvisor_lite.config import Config
from cadvisor_lite.containers import Container
from cadvisor_lite.main import CadvisorLite, run

HOSTILE = '<script>alert("x")</script>\\\n"}} 1\n# TYPE \udcff {{$x}}'


@pytest.fixture
def cadvisor(
    recorded: Path, start_cadvisor: Callable[..., CadvisorLite], recorded_containers: list[Container], tmp_path: Path
) -> CadvisorLite:
    """A monitor of a recorded host, without Docker."""
    cadvisor = start_cadvisor(recorded, docker_host=f"unix://{tmp_path / 'none.sock'}")
    for container in recorded_containers:
        cadvisor.monitor.put(container)
    return cadvisor


def get(cadvisor: CadvisorLite, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{cadvisor.port}{path}", timeout=5)


def exchange(cadvisor: CadvisorLite, data: bytes) -> bytes:
    """Everything the server answers to raw bytes."""
    with socket.create_connection(("127.0.0.1", cadvisor.port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer


def test_metrics_are_prometheus_text_and_tell_what_the_monitor_itself_costs(cadvisor: CadvisorLite) -> None:
    response = get(cadvisor, "/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = {s.name: s.value for family in text_string_to_metric_families(response.text) for s in family.samples}
    assert values["machine_cpu_cores"] == 4
    assert values["process_resident_memory_bytes"] > 1e6
    assert values["cadvisor_version_info"] == 1


def test_machine_containers_and_docker_are_served_as_cadvisor_does(cadvisor: CadvisorLite) -> None:
    machine = get(cadvisor, "/api/v1.3/machine").json()
    assert (machine["num_cores"], machine["memory_capacity"]) == (4, 8_192_000_000)
    docker = get(cadvisor, "/api/v1.3/docker/").json()
    assert len(docker) == 2
    name, app = next((name, document) for name, document in docker.items() if "2e2e" in name)
    assert app["namespace"] == "docker"
    assert app["aliases"][0] == "k8s_master_redis-master-x1_default_uid_0"
    assert app["spec"]["memory"]["limit"] == 268435456
    assert app["spec"]["labels"]["io.kubernetes.pod.name"] == "redis-master-x1"
    assert app["stats"][-1]["memory"]["working_set"] == 83886080
    assert app["stats"][-1]["diskio"]["io_service_bytes"][0]["device"] == "/dev/vda"
    assert get(cadvisor, f"/api/v1.3/docker/{app['aliases'][0]}").json().keys() == {name}
    assert get(cadvisor, f"/api/v1.3/docker/{'2e' * 6}").json().keys() == {name}
    assert get(cadvisor, f"/api/v1.3/containers{name}").json()["id"] == app["id"]
    root = get(cadvisor, "/api/v1.3/containers/").json()
    assert {child["name"] for child in root["subcontainers"]} == set(docker)
    assert len(get(cadvisor, "/api/v1.3/subcontainers/").json()) == 3


def test_an_unknown_name_is_a_404_that_names_it(cadvisor: CadvisorLite) -> None:
    for path in ("/api/v1.3/docker/nobody", "/api/v1.3/containers/nobody", "/static/../main.py", "/nobody"):
        response = get(cadvisor, path)
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("text/plain")
    assert "nobody" in get(cadvisor, "/api/v1.3/docker/nobody").text


def test_the_number_of_samples_is_the_clients_choice(cadvisor: CadvisorLite) -> None:
    for _ in range(3):
        cadvisor.monitor.keep_house_once()
    url = f"http://127.0.0.1:{cadvisor.port}/api/v1.3/containers/"

    def count(num_stats: object) -> int:
        return len(requests.post(url, json={"num_stats": num_stats}, timeout=5).json()["stats"])

    assert count(1) == 1
    assert count(2) == 2
    assert count(-1) >= 4
    for wrong in ("two", -2, True):
        refused = requests.post(url, json={"num_stats": wrong}, timeout=5)
        assert refused.status_code == 400
        assert "num_stats" in refused.text
    assert requests.post(url, data=b"{", timeout=5).status_code == 400


def test_hostile_names_are_escaped_everywhere(cadvisor: CadvisorLite, recorded_containers: list[Container]) -> None:
    hostile = {"io.kubernetes.pod.name": HOSTILE, "io.kubernetes.container.name": HOSTILE, HOSTILE: HOSTILE}
    cadvisor.monitor.put(replace(recorded_containers[1], name=HOSTILE, image=HOSTILE, labels=hostile))
    families = text_string_to_metric_families(get(cadvisor, "/metrics").text)
    names = {s.labels.get("name") for family in families for s in family.samples}
    assert HOSTILE.replace("\udcff", "?") in names
    page = get(cadvisor, "/")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    documents = get(cadvisor, "/api/v1.3/docker").json()
    assert any(document["spec"]["image"] == HOSTILE for document in documents.values())


def test_the_page_and_all_it_needs_come_from_here(cadvisor: CadvisorLite) -> None:
    for path in ("/", "/containers/", "/containers/docker/x"):
        page = get(cadvisor, path)
        assert page.status_code == 200
        assert "recorded" in page.text
    assert get(cadvisor, "/static/page.js").headers["content-type"].startswith("text/javascript")
    assert get(cadvisor, "/static/page.css").headers["content-type"].startswith("text/css")
    for name in ("/", "/static/page.js", "/static/page.css"):
        assert "//" not in get(cadvisor, name).text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")


def test_a_large_answer_is_compressed_for_who_asks(cadvisor: CadvisorLite) -> None:
    head = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
    plain = exchange(cadvisor, head + b"\r\n")
    packed = exchange(cadvisor, head + b"Accept-Encoding: gzip\r\n\r\n")
    assert b"Content-Encoding: gzip" in packed
    assert len(packed) * 5 < len(plain)
    assert gzip.decompress(packed.split(b"\r\n\r\n", 1)[1]).startswith(b"# HELP cadvisor_version_info")


def test_head_has_the_headers_and_no_body(cadvisor: CadvisorLite) -> None:
    answer = exchange(cadvisor, b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 4000 + b"\r\n", 431),
        (b"x" * 20000, 431),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01 nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    ],
)
def test_a_request_beyond_the_limits_is_refused(cadvisor: CadvisorLite, request_bytes: bytes, status: int) -> None:
    assert exchange(cadvisor, request_bytes).startswith(f"HTTP/1.1 {status} ".encode())
    assert get(cadvisor, "/healthz").status_code == 200


def test_clients_that_say_nothing_are_let_go_and_others_are_served(
    cadvisor: CadvisorLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_LIMIT_S", 0.3)
    silent = [socket.create_connection(("127.0.0.1", cadvisor.port), timeout=5) for _ in range(12)]
    try:
        for connection in silent:
            connection.sendall(b"GET / HT")
        begun = time.monotonic()
        assert get(cadvisor, "/healthz").status_code == 200
        assert time.monotonic() - begun < 3
        assert silent[0].recv(100).startswith(b"HTTP/1.1 408 ")
    finally:
        for connection in silent:
            connection.close()


def test_settings_that_cannot_be_used_are_told_by_field(make_config: Callable[..., Config]) -> None:
    config = make_config(port=70000, docker_host="nowhere", housekeeping_interval_s=0.1, storage_duration_s=0.05)
    problems = config.check()
    assert [problem.split(":")[0] for problem in problems] == [
        "port",
        "docker_host",
        "housekeeping_interval_s",
        "storage_duration_s",
    ]
    with pytest.raises(ValueError, match="port: 70000"):
        run(config, threading.Event())


def test_a_port_that_is_taken_is_a_failed_start(recorded: Path, make_config: Callable[..., Config]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = make_config(recorded, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            run(config, threading.Event())


def test_documents_are_valid_json_with_a_history(cadvisor: CadvisorLite) -> None:
    text = get(cadvisor, "/api/v1.3/subcontainers").text
    for document in json.loads(text):
        times = [stats["timestamp"] for stats in document["stats"]]
        assert times == sorted(times)

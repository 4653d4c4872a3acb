"""The whole component against an API server of two lists: start, changes, a master that is away."""

import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dnslib import DNSRecord

from clusterdns.config import Config
from clusterdns.main import SWITCH_S, cleanup, run

HEADLESS = {
    "metadata": {"name": "redis", "namespace": "default", "resourceVersion": "3"},
    "spec": {"clusterIP": "None", "ports": [{"name": "db", "port": 6379}]},
}
REDIS = {
    "metadata": {"name": "redis", "namespace": "default", "resourceVersion": "4"},
    "subsets": [
        {
            "addresses": [{"ip": "10.244.0.5", "hostname": "redis-0"}],
            "notReadyAddresses": [{"ip": "10.244.0.6"}],
            "ports": [{"name": "db", "port": 6379}],
        }
    ],
}


def cluster_service(name: str, address: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "resourceVersion": "5"},
        "spec": {"clusterIP": address, "ports": [{"name": "http", "port": 80}]},
    }


class Master(ThreadingHTTPServer):
    """Lists and watches of services and endpoints, as a real API server writes them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Calls)
        self.lists: dict[str, list[dict[str, Any]]] = {"services": [HEADLESS], "endpoints": [REDIS]}
        self.lists["endpointslices"] = []
        self.events: dict[str, queue.Queue[dict[str, Any] | None]] = {kind: queue.Queue() for kind in self.lists}
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        for events in self.events.values():
            events.put(None)
        self.shutdown()
        self.server_close()
        self.thread.join(5)


class Calls(BaseHTTPRequestHandler):
    server: Master

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        resource = path.rsplit("/", 1)[-1]
        if resource not in self.server.lists:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if "watch=" not in query:
            items = self.server.lists[resource]
            body = {"metadata": {"resourceVersion": "10"}, "items": items}
            self.wfile.write(json.dumps(body).encode())
            return
        while (event := self.server.events[resource].get()) is not None:
            self.wfile.write(json.dumps(event).encode() + b"\n")
            self.wfile.flush()

    def log_message(self, *_words: object) -> None:
        """Quiet."""


@pytest.fixture
def master() -> Iterator[Master]:
    server = Master()
    yield server
    server.close()


@pytest.fixture
def settings(config: Config, tmp_path: Path) -> Config:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return replace(config, kubeconfig=tmp_path / "kubeconfig", port=port)


def write_kubeconfig(settings: Config, port: int) -> None:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    settings.kubeconfig.write_text(json.dumps(document))


class Running:
    """`run` in a thread, as the command line calls it."""

    def __init__(self, settings: Config) -> None:
        self._port = settings.port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=run, args=(settings, self._stop))
        self._thread.start()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()

    def say(self, name: str) -> list[str] | str:
        """The addresses of a name, or the code of the refusal."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            sock.connect(("127.0.0.1", self._port))
            try:
                sock.send(bytes(DNSRecord.question(f"{name}.default.svc.cluster.local").pack()))
                reply = DNSRecord.parse(sock.recv(4096))
            except OSError as error:
                return str(error)
        return sorted(str(each.rdata) for each in reply.rr) or f"rcode {reply.header.rcode}"

    def wait_for(self, name: str, wanted: list[str] | str) -> None:
        limit = time.monotonic() + 10
        while (said := self.say(name)) != wanted:
            assert time.monotonic() < limit, said
            time.sleep(0.01)


def test_a_thread_at_work_lets_the_one_that_answers_go_on(settings, master):
    write_kubeconfig(settings, master.server_address[1])
    before = sys.getswitchinterval()
    try:
        with Running(settings) as dns:
            dns.wait_for("redis", ["10.244.0.5"])
            assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    finally:
        sys.setswitchinterval(before)


def test_names_follow_services_and_endpoints(settings, master):
    write_kubeconfig(settings, master.server_address[1])
    with Running(settings) as dns:
        dns.wait_for("redis", ["10.244.0.5"])
        assert dns.say("redis-0.redis") == ["10.244.0.5"]
        assert dns.say("web") == "rcode 3"
        master.events["services"].put({"type": "ADDED", "object": cluster_service("web", "10.96.0.9")})
        dns.wait_for("web", ["10.96.0.9"])
        ready = {**REDIS, "subsets": [{"addresses": [{"ip": "10.244.0.5"}, {"ip": "10.244.0.6"}]}]}
        master.events["endpoints"].put({"type": "MODIFIED", "object": ready})
        dns.wait_for("redis", ["10.244.0.5", "10.244.0.6"])
        master.events["services"].put({"type": "DELETED", "object": HEADLESS})
        dns.wait_for("redis", "rcode 3")


def slice_of_redis(name: str, *addresses: str, ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name, "namespace": "default", "resourceVersion": "6",
            "labels": {"kubernetes.io/service-name": "redis"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [one], "hostname": f"redis-{one[-1]}", "conditions": {"ready": ready}} for one in addresses
        ],
        "ports": [{"name": "db", "port": 6379, "protocol": "TCP"}],
    }  # fmt: skip


def test_slices_count_more_than_endpoints_and_are_put_together(settings, master):
    master.lists["endpointslices"] = [slice_of_redis("redis-a", "10.244.0.7"), slice_of_redis("redis-b", "10.244.0.8")]
    write_kubeconfig(settings, master.server_address[1])
    with Running(settings) as dns:
        dns.wait_for("redis", ["10.244.0.7", "10.244.0.8"])
        assert dns.say("redis-8.redis") == ["10.244.0.8"]
        assert dns.say("redis-0.redis") == "rcode 3"
        unready = slice_of_redis("redis-b", "10.244.0.8", ready=False)
        master.events["endpointslices"].put({"type": "MODIFIED", "object": unready})
        dns.wait_for("redis", ["10.244.0.7"])
        master.events["endpointslices"].put({"type": "DELETED", "object": unready})
        gone = slice_of_redis("redis-a", "10.244.0.7")
        master.events["endpointslices"].put({"type": "DELETED", "object": gone})
        dns.wait_for("redis", ["10.244.0.5"])


def test_a_server_without_slices_is_followed_by_endpoints(settings, master):
    del master.lists["endpointslices"]
    write_kubeconfig(settings, master.server_address[1])
    with Running(settings) as dns:
        dns.wait_for("redis", ["10.244.0.5"])


def test_the_last_known_names_are_answered_while_the_master_is_away(settings, master):
    write_kubeconfig(settings, master.server_address[1])
    with Running(settings) as dns:
        dns.wait_for("redis", ["10.244.0.5"])
    write_kubeconfig(settings, 9)
    with Running(settings) as dns:
        dns.wait_for("redis", ["10.244.0.5"])
    master.lists["services"] = [cluster_service("web", "10.96.0.9")]
    write_kubeconfig(settings, master.server_address[1])
    with Running(settings) as dns:
        dns.wait_for("web", ["10.96.0.9"])
        dns.wait_for("redis", "rcode 3")


def test_without_a_master_and_saved_names_nothing_is_denied(settings):
    write_kubeconfig(settings, 9)
    with Running(settings) as dns:
        dns.wait_for("redis", "rcode 2")


def test_damaged_saved_names_are_reported_and_ignored(settings, master, caplog):
    settings.state_file.write_text('[{"namespace": 1')
    write_kubeconfig(settings, master.server_address[1])
    with Running(settings) as dns:
        dns.wait_for("redis", ["10.244.0.5"])
    assert "saved names unreadable" in caplog.text


def test_a_taken_port_is_a_clear_error(settings):
    write_kubeconfig(settings, 9)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((settings.listen_address, settings.port))
        with pytest.raises(OSError, match=f"listen on 127.0.0.1 port {settings.port}: Address already in use"):
            run(settings, threading.Event())


def test_cleanup_removes_the_saved_names(settings):
    settings.state_file.write_text("[]")
    assert cleanup(settings) == [f"file {settings.state_file} removed"]
    assert cleanup(settings) == []

"""What is told of questions and answers, compared with what was asked; and the ports it is told on."""

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from types import FrameType

import pytest
from dnslib import DNSRecord
from prometheus_client import CollectorRegistry

from clusterdns.batches import Batch
from clusterdns.config import Config
from clusterdns.counts import OTHER, Counts, Traffic, place
from clusterdns.main import _doors
from clusterdns.metrics import DnsCollector
from clusterdns.records import ServiceNames
from clusterdns.service import DnsService
from clusterdns.wire import QTYPES, RCODES
from tests.clusterdns.conftest import SERVICES, Upstream

FRONTEND = "frontend.default.svc.cluster.local"
NOBODY = "nobody.default.svc.cluster.local"


@pytest.fixture
def dns(config: Config, upstream: Upstream) -> Iterator[DnsService]:
    service = DnsService(replace(config, upstreams=(upstream.address,)))
    for each in SERVICES:
        service.zone.put(each)
    service.zone.mark_synced()
    service.start()
    yield service
    service.stop()


def ask(port: int, name: str, qtype: str = "A", *, times: int = 1, tcp: bool = False) -> DNSRecord:
    """The last of the answers."""
    for _ in range(times):
        answer = DNSRecord.question(name, qtype).send("127.0.0.1", port, tcp=tcp, timeout=10)
    return DNSRecord.parse(answer)


def told(dns: DnsService) -> Callable[..., float]:
    """Asks for a sample by name, and by those of its labels that matter; several are added up."""
    registry = CollectorRegistry()
    registry.register(DnsCollector(dns.counts, "127.0.0.1", dns.port, dns.cache.entries))

    def value(name: str, **labels: str) -> float:
        samples = [one for family in registry.collect() for one in family.samples if one.name == name]
        return sum(one.value for one in samples if labels.items() <= one.labels.items())

    return value


def test_each_question_is_counted_by_type_protocol_and_outcome(dns: DnsService, upstream: Upstream) -> None:
    upstream.records["www.example.com", "A"] = "www.example.com. 60 IN A 192.0.2.1"
    value = told(dns)
    ask(dns.port, FRONTEND, times=5)
    ask(dns.port, FRONTEND, "AAAA", times=2)
    ask(dns.port, FRONTEND, tcp=True)
    ask(dns.port, NOBODY, times=3)
    ask(dns.port, "www.example.com", times=4)
    assert value("coredns_dns_requests_total", proto="udp", type="A", family="1") == 5 + 3 + 4
    assert value("coredns_dns_requests_total", proto="udp", type="AAAA") == 2
    assert value("coredns_dns_requests_total", proto="tcp", type="A") == 1
    assert value("coredns_dns_requests_total", server=f"dns://127.0.0.1:{dns.port}", zone=".") == 15
    assert value("coredns_dns_responses_total", rcode="NOERROR", plugin="kubernetes") == 5 + 2 + 1
    assert value("coredns_dns_responses_total", rcode="NXDOMAIN", plugin="kubernetes") == 3
    assert value("coredns_dns_responses_total", rcode="NOERROR", plugin="forward") == 4
    assert value("coredns_dns_request_duration_seconds_count") == 15
    assert 0 < value("coredns_dns_request_duration_seconds_sum") < 60
    assert value("coredns_cache_requests_total") == 4
    assert value("coredns_cache_hits_total", type="success") == 3
    assert value("coredns_cache_misses_total") == 1
    assert value("coredns_cache_entries", type="success") == 1
    assert value("coredns_forward_requests_total", to=upstream.address) == 1
    assert value("coredns_forward_responses_total", to=upstream.address, rcode="NOERROR") == 1
    assert value("coredns_proxy_request_duration_seconds_count", proxy_name="forward", to=upstream.address) == 1
    assert value("coredns_build_info") == 1


def test_what_makes_no_sense_and_what_nobody_answers_is_counted(dns: DnsService, upstream: Upstream) -> None:
    value = told(dns)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(("127.0.0.1", dns.port))
        sock.send(b"\0\1\1\0\0\2" + bytes(6))  # two questions
        sock.recv(512)
    upstream.rcode = 2
    assert ask(dns.port, "gone.example.com").header.rcode == 2
    assert value("coredns_dns_responses_total", rcode="FORMERR", plugin="") == 1
    assert value("coredns_dns_responses_total", rcode="SERVFAIL", plugin="forward") == 1
    assert value("coredns_forward_responses_total", rcode="SERVFAIL") == 2  # it is asked in two rounds
    upstream.rcode = 3
    upstream.records["no.example.com", "A"] = "example.com. 60 IN SOA a. b. 1 2 3 4 60"
    ask(dns.port, "no.example.com", times=2)
    assert value("coredns_cache_hits_total", type="denial") == 1


def test_ready_answers_are_counted_by_type_and_code_and_none_is_lost(dns: DnsService) -> None:
    value, names = told(dns), [f"nobody-{number}.default.svc.cluster.local" for number in range(50)]
    for name in (*names, *names):  # the second time from the table of ready messages
        ask(dns.port, name)
        ask(dns.port, FRONTEND, "HTTPS")  # a type without records of its own
    assert value("coredns_dns_requests_total", proto="udp", type="A") == 100
    assert value("coredns_dns_requests_total", proto="udp", type="HTTPS") == 100
    assert value("coredns_dns_responses_total", rcode="NXDOMAIN", plugin="kubernetes") == 100
    assert value("coredns_dns_responses_total", rcode="NOERROR", plugin="kubernetes") == 100
    assert value("coredns_dns_request_duration_seconds_count") == 200


def test_each_type_and_code_has_a_place_of_its_own_that_one_byte_names() -> None:
    places = [place(kind, code) for kind in (*QTYPES.values(), OTHER) for code in RCODES]
    assert sorted(places) == list(range(len(Traffic().given)))
    assert max(places) < 256


def test_no_question_waits_for_the_counting_of_others(config: Config) -> None:
    """Work is counted in calls, by the thread that answers; so many different answers it was once summed up of."""
    services = 9000
    most = calls = 0

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        nonlocal most, calls
        if threading.current_thread().name != "dns-udp":
            return
        if event == "call" and frame.f_code is Batch.receive.__code__:
            most, calls = max(most, calls), 0
        calls += event in ("call", "c_call")

    service = DnsService(config)
    for number in range(services):
        address = f"10.96.{number // 250}.{number % 250 + 1}"
        service.zone.put(ServiceNames("default", f"svc-{number}", addresses=(address,)))
    service.zone.mark_synced()
    threading.setprofile(profile)
    try:
        service.start()
    finally:
        threading.setprofile(None)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.connect(("127.0.0.1", service.port))
            for number in (*range(services), *range(services)):
                sock.send(DNSRecord.question(f"svc-{number}.default.svc.cluster.local").pack())
                sock.recv(512)
    finally:
        service.stop()
    assert service.counts.udp.totals().questions["A"] == 2 * services
    assert 0 < most < 500


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def test_health_readiness_and_metrics_have_ports_of_their_own(config: Config) -> None:
    metrics, health, ready = free_ports(3)
    asked = replace(config, metrics_address="127.0.0.1", metrics_port=metrics, health_port=health, ready_port=ready)
    dns = DnsService(asked)
    doors = _doors(asked, dns)
    try:
        for door in doors:
            door.start()
        assert get(health, "/health")[0] == HTTPStatus.SERVICE_UNAVAILABLE
        dns.start()
        assert get(health, "/health") == (200, "OK")
        assert get(ready, "/ready") == (503, "kubernetes")
        dns.zone.mark_synced()
        assert get(ready, "/ready") == (200, "OK")
        status, text = get(metrics, "/metrics")
        assert status == 200
        for name in ("coredns_dns_requests_total", "kubernetes_build_info", "process_cpu_seconds_total"):
            assert f"# TYPE {name} " in text
        assert get(ready, "/metrics")[0] == 404
    finally:
        for door in doors:
            door.stop()
        dns.stop()


def test_a_taken_port_is_named_and_what_was_opened_is_closed(config: Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (free,) = free_ports(1)
        port = taken.getsockname()[1]
        asked = replace(config, metrics_address="127.0.0.1", metrics_port=free, health_port=port)
        dns = DnsService(asked)
        try:
            with pytest.raises(OSError, match=f"Address already in use: '127.0.0.1:{port}'"):
                _doors(asked, dns)
        finally:
            dns.stop()
    with socket.create_server(("127.0.0.1", free)):
        pass  # nobody listens there


def test_counts_of_protocols_are_apart() -> None:
    one = Counts()
    one.tcp.answered("A", 0, "kubernetes", 0.1)
    assert one.udp.totals().questions == {}

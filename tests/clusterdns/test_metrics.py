"""What is told of questions and answers, compared with what was asked; and the ports it is told on."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus

import pytest
from dnslib import DNSRecord
from prometheus_client import CollectorRegistry

from clusterdns import counts
from clusterdns.config import Config
from clusterdns.counts import Counts, Traffic
from clusterdns.main import _doors
from clusterdns.metrics import DnsCollector
from clusterdns.service import DnsService
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


def test_counting_many_different_answers_takes_bounded_memory_and_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST_SEEN", 10)
    traffic, before = Traffic(), 0.0
    for number in range(100):
        reply = bytes((0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0, 2, number // 10 + 97, number % 10 + 97, 0, 0, 1, 0, 1))
        traffic.seen[reply] = traffic.seen.get(reply, 0) + 1
        traffic.gave_ready(1, 0.001)
        assert len(traffic.seen) <= 10
        now = traffic.totals().questions["A"]
        assert now == before + 1
        before = now
    totals = traffic.totals()
    assert totals.answers == {(0, "kubernetes"): 100}
    assert sum(totals.times.counts) == 100
    assert totals.times.sum_s == pytest.approx(0.1)


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

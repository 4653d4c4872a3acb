"""Cluster names as a real dig sees them."""

import ipaddress
import re

import pytest
from dnslib import RCODE

from clusterdns.records import Endpoint, Entry, ServiceNames, build
from clusterdns.wire import TYPE_SRV, Query, kind_of
from clusterdns.zone import pack, unpack
from tests.clusterdns.conftest import SERVICES

ZONE = "cluster.local"


def reverse(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("frontend.default.svc.cluster.local A", ["10.96.0.7"]),
        ("FrontEnd.DEFAULT.svc.Cluster.Local A", ["10.96.0.7"]),
        ("_http._tcp.frontend.default.svc.cluster.local SRV", ["0 100 80 frontend.default.svc.cluster.local."]),
        ("_dns._udp.frontend.default.svc.cluster.local SRV", ["0 100 53 frontend.default.svc.cluster.local."]),
        ("7.0.96.10.in-addr.arpa PTR", ["frontend.default.svc.cluster.local."]),
        ("redis.default.svc.cluster.local A", ["10.244.0.5", "10.244.0.6"]),
        ("redis-0.redis.default.svc.cluster.local A", ["10.244.0.5"]),
        ("10-244-0-6.redis.default.svc.cluster.local A", ["10.244.0.6"]),
        ("5.0.244.10.in-addr.arpa PTR", ["redis-0.redis.default.svc.cluster.local."]),
        (
            "_http._tcp.redis.default.svc.cluster.local SRV",
            [
                "0 100 80 10-244-0-6.redis.default.svc.cluster.local.",
                "0 100 80 redis-0.redis.default.svc.cluster.local.",
            ],
        ),
        ("early.data.svc.cluster.local A", ["10.244.0.8"]),
        ("early-0.early.data.svc.cluster.local A", ["10.244.0.8"]),
        ("far.default.svc.cluster.local CNAME", ["db.example.com."]),
        ("near.default.svc.cluster.local A", ["10.96.0.7", "frontend.default.svc.cluster.local."]),
        ("10-1-2-3.default.pod.cluster.local A", ["10.1.2.3"]),
        ("fd00--1-2.default.pod.cluster.local AAAA", ["fd00::1:2"]),
        ("both.default.svc.cluster.local A", ["10.96.0.20"]),
        ("both.default.svc.cluster.local AAAA", ["fd00:96::20"]),
        (f"{reverse('fd00:96::20')} PTR", ["both.default.svc.cluster.local."]),
        ("six.default.svc.cluster.local AAAA", ["fd00:244::5", "fd00:244::6"]),
        ("six-0.six.default.svc.cluster.local AAAA", ["fd00:244::5"]),
        ("fd00-244--6.six.default.svc.cluster.local AAAA", ["fd00:244::6"]),
        (f"{reverse('fd00:244::5')} PTR", ["six-0.six.default.svc.cluster.local."]),
        ("_http._tcp.six.default.svc.cluster.local SRV", ["0 100 80 six-0.six.default.svc.cluster.local."]),
        ("dns-version.cluster.local TXT", ['"1.1.0"']),
        ("cluster.local NS", ["ns.dns.cluster.local."]),
        ("frontend.default.svc.cluster.local ANY", ["10.96.0.7"]),
    ],
)
def test_dig_gets_the_golden_answer(dns, question, answers):
    assert dns.short(*question.split()) == answers


@pytest.mark.parametrize(
    ("question", "rcode"),
    [
        ("nobody.default.svc.cluster.local A", "NXDOMAIN"),
        ("frontend.nowhere.svc.cluster.local A", "NXDOMAIN"),
        ("redis-9.redis.default.svc.cluster.local A", "NXDOMAIN"),
        ("asleep.data.svc.cluster.local A", "NXDOMAIN"),
        ("kubernetes.default.svc.cluster.local.svc.cluster.local A", "NXDOMAIN"),
        ("1-2-3.default.pod.cluster.local A", "NXDOMAIN"),
        ("9.9.96.10.in-addr.arpa PTR", "NXDOMAIN"),
        ("frontend.default.svc.cluster.local AAAA", "NOERROR"),
        ("six.default.svc.cluster.local A", "NOERROR"),
        ("frontend.default.svc.cluster.local TYPE65", "NOERROR"),
        ("_tcp.frontend.default.svc.cluster.local A", "NOERROR"),
        ("default.svc.cluster.local A", "NOERROR"),
        ("svc.cluster.local A", "NOERROR"),
        ("default.pod.cluster.local A", "NOERROR"),
        ("10-1-2-3.default.pod.cluster.local AAAA", "NOERROR"),
        ("cluster.local A", "NOERROR"),
    ],
)
def test_a_no_is_of_the_right_kind_and_carries_the_soa(dns, question, rcode):
    said = dns.dig(*question.split())
    assert f"status: {rcode}" in said
    assert re.search(r"flags: qr aa rd ra; QUERY: 1, ANSWER: 0, AUTHORITY: 1", said)
    assert re.search(r"\t5\tIN\tSOA\t.* 5$", said, re.MULTILINE)


def test_it_answers_over_ipv6_and_both_protocols(start_dns):
    dns = start_dns(listen_address="::1")
    for _ in range(2):  # the second time from the table of ready messages
        assert dns.short("both.default.svc.cluster.local", "AAAA") == ["fd00:96::20"]
    assert dns.short("+tcp", "both.default.svc.cluster.local", "A") == ["10.96.0.20"]


def test_answers_are_authoritative_and_live_five_seconds(dns):
    said = dns.dig("frontend.default.svc.cluster.local")
    assert "flags: qr aa rd ra;" in said
    assert re.search(r"^frontend\.default\.svc\.cluster\.local\. 5 IN\s+A\s+10\.96\.0\.7$", said, re.MULTILINE)


def test_what_a_search_path_asks_for_is_ready_after_the_first_time(dns):
    """With ndots 5 a pod asks for each foreign name below three domains first."""
    below = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")
    for _ in range(3):
        for domain in below:
            assert dns.ask(f"www.example.com.{domain}").header.rcode == RCODE.NXDOMAIN
    assert sum(dns.service.counts.udp.given) == 2 * len(below)


def test_the_case_of_the_question_comes_back(dns):
    assert "FrontEnd.default.SVC.cluster.local. 5" in dns.dig("FrontEnd.default.SVC.cluster.local")
    assert "frontend.default.svc.cluster.local. 5" in dns.dig("frontend.default.svc.cluster.local")


def test_srv_brings_the_addresses_along(dns):
    reply = dns.ask("_http._tcp.redis.default.svc.cluster.local", "SRV")
    assert sorted(str(each.rdata) for each in reply.ar) == ["10.244.0.5", "10.244.0.6"]
    both = dns.ask("_http._tcp.both.default.svc.cluster.local", "SRV")
    assert sorted(str(each.rdata) for each in both.ar) == ["10.96.0.20", "fd00:96::20"]


def test_headless_addresses_take_turns(dns):
    first = {str(dns.ask("redis.default.svc.cluster.local").rr[0].rdata) for _ in range(2)}
    assert first == {"10.244.0.5", "10.244.0.6"}


def test_a_ring_of_aliases_ends(dns):
    assert dns.ask("ring.default.svc.cluster.local").header.rcode == RCODE.SERVFAIL


def test_a_change_is_answered_at_once(dns):
    name = "frontend.default.svc.cluster.local"
    assert dns.short(name) == ["10.96.0.7"]
    dns.service.zone.put(ServiceNames("default", "frontend", addresses=("10.96.0.8",)))
    assert dns.short(name) == ["10.96.0.8"]
    assert dns.short("-x", "10.96.0.7") == []
    dns.service.zone.remove("default", "frontend")
    assert "NXDOMAIN" in dns.dig(name)
    assert "NXDOMAIN" in dns.dig(f"_http._tcp.{name}", "SRV")


def test_the_serial_grows_with_a_change(dns):
    before = int(dns.short("cluster.local", "SOA")[0].split()[2])
    dns.service.zone.remove("default", "frontend")
    assert int(dns.short("cluster.local", "SOA")[0].split()[2]) > before


def test_two_services_may_stand_behind_one_address(dns):
    for name in ("one", "two"):
        dns.service.zone.put(ServiceNames("default", name, endpoints=(Endpoint("10.244.9.9", "web"),)))
    assert dns.short("-x", "10.244.9.9") == [
        "web.one.default.svc.cluster.local.",
        "web.two.default.svc.cluster.local.",
    ]
    dns.service.zone.remove("default", "one")
    assert dns.short("-x", "10.244.9.9") == ["web.two.default.svc.cluster.local."]


def test_an_unknown_name_is_not_denied_before_the_first_sync(start_dns):
    dns = start_dns(synced=False)
    assert dns.short("frontend.default.svc.cluster.local") == ["10.96.0.7"]
    assert "SERVFAIL" in dns.dig("later.default.svc.cluster.local")
    dns.service.zone.mark_synced()
    assert "NXDOMAIN" in dns.dig("later.default.svc.cluster.local")


def test_a_service_with_an_impossible_name_changes_nothing(dns):
    with pytest.raises(ValueError, match="is no domain name"):
        dns.service.zone.put(ServiceNames("default", "frontend", external_name="a..b"))
    assert dns.short("frontend.default.svc.cluster.local") == ["10.96.0.7"]


def test_a_name_kept_as_bytes_is_what_it_was_made_of() -> None:
    for service in SERVICES:
        for entry in build(service, domain="cluster.local", ttl_s=5).entries.values():
            kept = pack(entry)
            if isinstance(kept, Entry):
                assert kept == entry
                continue
            again = unpack(kept)
            assert again.alias is None
            assert again.answers.keys() == entry.answers.keys()
            for kind, answer in entry.answers.items():
                query = Query(b"ab", 1, 0, b"\1x\0", kind, b"\1x\0" + kind, 4096, True, False)
                assert again.answers[kind].render(query) == answer.render(query)


def test_an_answer_kept_as_bytes_is_cut_where_it_was_cut_before() -> None:
    built = build(SERVICES[0], domain="cluster.local", ttl_s=5).entries
    kind = kind_of(TYPE_SRV)
    entry = next(entry for entry in built.values() if kind in entry.answers)
    assert isinstance(pack(entry), bytes)
    answer = entry.answers[kind]
    for limit in range(20, 400, 7):
        query = Query(b"ab", 1, 0, b"\1x\0", kind, b"\1x\0" + kind, limit, False, False)
        assert unpack(pack(entry)).answers[kind].render(query) == answer.render(query)

"""Names that are not ours."""

import socket
import threading
import time

import pytest
from dnslib import RCODE, DNSRecord

from clusterdns.cache import Foreign
from clusterdns.forwarder import ROUNDS
from clusterdns.names import wire_name
from clusterdns.server import bind
from clusterdns.service import DnsService
from clusterdns.upstreams import parse_server

SOA = "example.com. 60 IN SOA ns.example.com. root.example.com. 1 2 3 4 60"


@pytest.fixture
def forwarding(start_dns, upstream):
    upstream.records = {
        ("db.example.com", "A"): "db.example.com. 60 IN A 192.0.2.7",
        ("none.example.com", "A"): SOA,
        ("short.example.com", "A"): "short.example.com. 0 IN A 192.0.2.8",
    }
    return start_dns(upstreams=(upstream.address,))


def test_a_foreign_name_is_asked_once_and_then_kept(forwarding, upstream):
    for _ in range(3):
        assert forwarding.short("db.example.com") == ["192.0.2.7"]
    assert forwarding.short("DB.Example.com") == ["192.0.2.7"]
    assert upstream.asked == ["db.example.com A"]


def test_a_kept_answer_grows_older(forwarding):
    forwarding.ask("db.example.com")
    limit = time.monotonic() + 10
    while forwarding.ask("db.example.com").rr[0].ttl == 60:
        assert time.monotonic() < limit
    assert forwarding.ask("db.example.com").rr[0].ttl in (58, 59)


def test_an_answer_without_life_is_not_kept(forwarding, upstream):
    for _ in range(2):
        assert forwarding.short("short.example.com") == ["192.0.2.8"]
    assert len(upstream.asked) == 2


def test_a_foreign_no_is_kept(forwarding, upstream):
    upstream.rcode = 3
    for _ in range(2):
        said = forwarding.dig("none.example.com")
        assert "NXDOMAIN" in said
        assert "flags: qr rd ra;" in said
    assert upstream.asked == ["none.example.com A"]


def test_an_external_name_brings_the_address_of_its_target(forwarding, upstream):
    for _ in range(2):
        assert forwarding.short("far.default.svc.cluster.local") == ["192.0.2.7", "db.example.com."]
    assert upstream.asked == ["db.example.com A"]


def test_an_external_name_without_such_a_record_keeps_its_alias(forwarding, upstream):
    upstream.records[("db.example.com", "AAAA")] = SOA
    said = forwarding.dig("far.default.svc.cluster.local", "AAAA")
    assert "status: NOERROR" in said
    assert "ANSWER: 1, AUTHORITY: 1" in said


def test_a_truncated_answer_is_fetched_over_tcp(forwarding, upstream):
    upstream.truncate = True
    upstream.records["big.example.com", "A"] = "\n".join(f"big.example.com. 60 IN A 192.0.2.{n}" for n in range(250))
    assert len(forwarding.short("big.example.com")) == 250
    assert forwarding.ask("big.example.com").header.tc == 1


def test_forged_answers_are_passed_over(forwarding, upstream):
    def forged(reply: bytes) -> list[bytes]:
        evil = reply.replace(socket.inet_aton("192.0.2.7"), socket.inet_aton("198.51.100.6"))
        assert evil != reply
        return [
            bytes([evil[0] ^ 1]) + evil[1:],  # another id
            evil.replace(b"\x02db\x07", b"\x02xx\x07"),  # another question
            evil[:2] + bytes([evil[2] & 0x7F]) + evil[3:],  # not an answer
            b"",
            reply,
        ]

    upstream.mangle = forged
    assert forwarding.short("db.example.com") == ["192.0.2.7"]


def test_the_next_server_is_asked_when_one_is_silent_or_fails(start_dns, upstream):
    upstream.records["db.example.com", "A"] = "db.example.com. 60 IN A 192.0.2.7"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        quiet = f"127.0.0.1:{silent.getsockname()[1]}"
        dns = start_dns(upstreams=(quiet, upstream.address))
        assert dns.short("db.example.com") == ["192.0.2.7"]
        silent.settimeout(1)
        assert silent.recv(512)
        began = time.monotonic()
        dns.dig("other.example.com")
        assert time.monotonic() - began < 0.3  # the silent one is now asked last


def test_a_silent_server_is_asked_in_its_turn_again_once_it_answers(start_dns, upstream):
    upstream.records["db.example.com", "A"] = "db.example.com. 60 IN A 192.0.2.7"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(("127.0.0.1", 0))
        late.settimeout(0.1)
        dns = start_dns(upstreams=(f"127.0.0.1:{late.getsockname()[1]}", upstream.address))
        assert dns.short("db.example.com") == ["192.0.2.7"]
        upstreams = dns.service._forwarder._upstreams
        assert len(upstreams.failing()) == 1
        limit = time.monotonic() + 30
        while upstreams.failing():
            assert time.monotonic() < limit
            try:
                data, client = late.recvfrom(512)
            except TimeoutError:
                continue
            query = DNSRecord.parse(data)
            if str(query.q.qname) == ".":
                late.sendto(bytes(query.reply().pack()), client)
    assert upstreams.in_order()[1] == parse_server(upstream.address)


def test_a_crooked_answer_leads_to_servfail(forwarding, upstream):
    upstream.mangle = lambda reply: [reply[:6] + b"\0\x09" + reply[8:]]
    assert "SERVFAIL" in forwarding.dig("db.example.com")


def test_servfail_when_no_server_answers(start_dns):
    dns = start_dns(upstreams=("127.0.0.1:9",))
    assert "SERVFAIL" in dns.dig("db.example.com")
    assert dns.short("frontend.default.svc.cluster.local") == ["10.96.0.7"]


def test_servfail_over_tcp_too(start_dns):
    assert "SERVFAIL" in start_dns(upstreams=("127.0.0.1:9",)).dig("+tcp", "db.example.com")


def test_a_refusal_is_passed_on_when_all_refuse(forwarding, upstream):
    upstream.rcode = 5
    assert "REFUSED" in forwarding.dig("db.example.com")


def test_ourselves_as_resolver_is_refused(config, caplog):
    service = DnsService(config)
    service.start()
    service.stop()
    from clusterdns.upstreams import Server, Upstreams

    upstreams = Upstreams(
        fixed=[Server("127.0.0.1", 99), Server("127.0.0.2", 99)],
        resolv_conf=config.resolv_conf,
        ourselves=Server("127.0.0.1", 99),
    )
    assert upstreams.in_order() == [Server("127.0.0.2", 99)]
    assert "reason=it-is-ourselves" in caplog.text


def test_a_ring_of_resolvers_costs_each_a_few_questions(start_dns):
    """The host asks a resolver that asks us: a question that comes round is under way already, and goes no further."""
    ports = []
    for _ in range(2):
        udp, tcp = bind("127.0.0.1", 0)
        ports.append(udp.getsockname()[1])
        udp.close()
        tcp.close()
    ring = [
        start_dns(port=own, upstreams=(f"127.0.0.1:{other}",), upstream_timeout_s=0.3)
        for own, other in (ports, reversed(ports))
    ]
    assert ring[0].ask("www.example.com").header.rcode == RCODE.SERVFAIL
    asked = [sum(dns.service.counts.forwarding.totals()[0].values()) for dns in ring]
    assert max(asked) < 6 * ROUNDS, asked  # looks whether the other answers again included


def test_one_question_is_under_way_once(start_dns, upstream):
    gate = threading.Event()

    def held(reply):
        gate.wait(10)
        return [reply]

    upstream.mangle = held
    upstream.records["db.example.com", "A"] = "db.example.com. 60 IN A 192.0.2.7"
    dns = start_dns(upstreams=(upstream.address,), upstream_timeout_s=10.0)
    answers: list[object] = []
    clients = [
        threading.Thread(target=lambda: answers.append(str(dns.ask("db.example.com").rr[0].rdata))) for _ in range(5)
    ]
    for client in clients:
        client.start()
    limit = time.monotonic() + 10
    while len(dns.service._forwarder._waiting) == 0 or len(next(iter(dns.service._forwarder._waiting.values()))) < 5:
        assert time.monotonic() < limit
    gate.set()
    for client in clients:
        client.join(10)
    assert answers == ["192.0.2.7"] * 5
    assert upstream.asked == ["db.example.com A"]


def test_a_full_queue_says_servfail_at_once(start_dns):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        quiet = f"127.0.0.1:{silent.getsockname()[1]}"
        dns = start_dns(upstreams=(quiet,), upstream_timeout_s=2.0, forward_workers=1, forward_queue=1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1.5)
            client.connect(("127.0.0.1", dns.port))
            for number in range(3):
                packet = (
                    b"\0" + bytes([number]) + b"\1\0\0\1\0\0\0\0\0\0\1" + b"abc"[number : number + 1] + b"\0\0\1\0\1"
                )
                client.send(packet)
            reply = client.recv(512)
        assert reply[3] & 0x0F == 2


def test_resolv_conf_is_read_again_when_it_changes(start_dns, config):
    from clusterdns.upstreams import Server, Upstreams

    upstreams = Upstreams(fixed=[], resolv_conf=config.resolv_conf, ourselves=Server("169.254.20.10"))
    assert upstreams.in_order() == []
    config.resolv_conf.write_text("# mine\nnameserver 192.0.2.1\nnameserver 169.254.20.10\nnameserver nonsense\n")
    assert upstreams.in_order() == [Server("192.0.2.1")]
    config.resolv_conf.unlink()
    assert upstreams.in_order() == [Server("192.0.2.1")]
    config.resolv_conf.write_text("search x\nnameserver fe80::1%lo\nnameserver 192.0.2.3\n")
    upstreams.failed(Server("fe80::1%lo"))
    assert upstreams.in_order() == [Server("fe80::1%lo"), Server("192.0.2.3")]
    upstreams.failed(Server("fe80::1%lo"))
    assert upstreams.in_order() == [Server("192.0.2.3"), Server("fe80::1%lo")]


def key_of_a(name: str) -> tuple[bytes, bytes, bool, int]:
    return (wire_name(name), b"\0\1\0\1", False, 0)


def kept(born: float, keep_s: float = 60) -> Foreign:
    """An answer with one record whose TTL is 60."""
    body = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("192.0.2.9")
    return Foreign(0, 0, (1, 0, 0), body, (6,), keep_s, born)


def test_an_answer_past_its_life_is_given_when_no_server_answers(start_dns):
    dns = start_dns(upstreams=("127.0.0.1:9",))
    cache = dns.service._forwarder._cache
    cache.put(key_of_a("old.example.com"), kept(time.monotonic() - 100))
    (record,) = dns.ask("old.example.com").rr
    assert (str(record.rdata), record.ttl) == ("192.0.2.9", 30)
    cache.put(key_of_a("older.example.com"), kept(time.monotonic() - 5000))
    assert dns.ask("older.example.com").header.rcode == 2


def test_an_answer_past_its_life_is_not_given_when_a_server_answers(forwarding, upstream):
    cache = forwarding.service._forwarder._cache
    cache.put(key_of_a("db.example.com"), kept(time.monotonic() - 100))
    assert forwarding.short("db.example.com") == ["192.0.2.7"]


def test_after_a_failure_the_servers_are_left_alone_for_a_while(forwarding, upstream):
    forwarding.service._forwarder._cache.put(key_of_a("db.example.com"), kept(time.monotonic() - 100))
    upstream.rcode = 2
    for _ in range(3):
        assert forwarding.short("+noedns", "db.example.com") == ["192.0.2.9"]
    assert upstream.asked == ["db.example.com A"] * 2  # each server is asked twice before nobody knows


def test_an_answer_near_its_end_is_given_and_fetched_anew(forwarding, upstream):
    forwarding.service._forwarder._cache.put(key_of_a("db.example.com"), kept(time.monotonic() - 58))
    assert str(forwarding.ask("db.example.com").rr[0].rdata) == "192.0.2.9"
    limit = time.monotonic() + 10
    while str(forwarding.ask("db.example.com").rr[0].rdata) != "192.0.2.7":
        assert time.monotonic() < limit
    assert upstream.asked == ["db.example.com A"]


def test_an_answer_that_was_fetched_anew_meanwhile_is_not_fetched_again(forwarding, upstream, monkeypatch):
    cache, key = forwarding.service._forwarder._cache, key_of_a("db.example.com")
    cache.put(key, kept(time.monotonic()))
    seen, get = [kept(time.monotonic() - 58)], cache.get  # the old one was read before the new one was there
    monkeypatch.setattr(type(cache), "get", lambda _self, wanted: seen.pop() if seen else get(wanted))
    assert forwarding.short("db.example.com") == ["192.0.2.9"]
    assert forwarding.service._forwarder._jobs.empty()
    assert upstream.asked == []

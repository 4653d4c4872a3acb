"""EDNS, truncation and TCP."""

import socket
import struct

from dnslib import EDNS0, DNSRecord

MANY = "many.default.svc.cluster.local"


def test_a_large_answer_is_cut_at_whole_records(dns):
    packet = dns.raw(bytes(DNSRecord.question(MANY).pack()))
    reply = DNSRecord.parse(packet)
    assert reply.header.tc == 1
    assert 400 < len(packet) <= 512
    assert len(reply.rr) == (512 - 12 - len(MANY) - 2 - 4) // 16


def test_the_size_a_client_offers_is_used_up_to_ours(dns):
    sizes = {}
    for offered in (100, 800, 4096):
        question = DNSRecord.question(MANY)
        question.add_ar(EDNS0(udp_len=offered))
        packet = dns.raw(bytes(question.pack()))
        assert DNSRecord.parse(packet).ar[-1].rtype == 41
        sizes[offered] = len(packet)
    assert sizes[100] <= 512 < sizes[800] <= 800 < sizes[4096] <= 1232


def test_dig_comes_back_over_tcp_by_itself(dns):
    said = dns.dig(MANY)
    assert "Truncated, retrying in TCP mode" in said
    assert "ANSWER: 200," in said


def test_several_questions_share_one_tcp_connection(dns):
    with socket.create_connection(("127.0.0.1", dns.port), timeout=10) as sock:
        packets = [bytes(DNSRecord.question(MANY, qtype).pack()) for qtype in ("A", "AAAA", "A")]
        sock.sendall(b"".join(struct.pack("!H", len(each)) + each for each in packets))
        counts = []
        for packet in packets:
            size = int.from_bytes(sock.recv(2, socket.MSG_WAITALL), "big")
            reply = DNSRecord.parse(sock.recv(size, socket.MSG_WAITALL))
            assert reply.header.id == int.from_bytes(packet[:2], "big")
            counts.append(len(reply.rr))
    assert counts == [200, 0, 200]


def test_a_silent_tcp_client_is_closed(start_dns):
    dns = start_dns(tcp_idle_s=0.1)
    with socket.create_connection(("127.0.0.1", dns.port), timeout=10) as sock:
        sock.sendall(b"\0")
        assert sock.recv(1) == b""


def test_tcp_clients_beyond_the_limit_are_closed_and_udp_goes_on(start_dns):
    dns = start_dns(tcp_connections=1)
    with socket.create_connection(("127.0.0.1", dns.port), timeout=10) as first:
        packet = bytes(DNSRecord.question(MANY).pack())
        first.sendall(struct.pack("!H", len(packet)) + packet)
        assert first.recv(2, socket.MSG_WAITALL)
        with socket.create_connection(("127.0.0.1", dns.port), timeout=10) as second:
            assert second.recv(1) == b""
        assert dns.short("frontend.default.svc.cluster.local") == ["10.96.0.7"]


def test_an_unknown_edns_version_is_told_badvers(dns):
    assert "BADVERS" in dns.dig("+edns=1", "+noednsnegotiation", MANY)


def test_the_do_bit_comes_back(dns):
    assert "flags: do;" in dns.dig("+dnssec", "frontend.default.svc.cluster.local")

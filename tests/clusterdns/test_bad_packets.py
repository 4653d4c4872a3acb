"""Nothing that arrives stops the server, and what comes back is DNS."""

import pytest
from dnslib import DNSRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusterdns.answers import Answer
from clusterdns.cache import Limits, read_foreign
from clusterdns.names import wire_name
from clusterdns.records import Entry
from clusterdns.wire import MalformedError, Query, Refused, parse_query
from clusterdns.zone import Zone

GOOD = b"\x51\x52" + bytes(DNSRecord.question("frontend.default.svc.cluster.local").pack())[2:]
ZONE = Zone(domain="cluster.local", address="127.0.0.1", ttl_s=5, reverse_cidrs=("10.96.0.0/12",))
ZONE.mark_synced()


@st.composite
def bent_queries(draw: st.DrawFn) -> bytes:
    """A good query with some bytes changed, cut or added: reaches deeper than noise."""
    packet = bytearray(GOOD + draw(st.sampled_from((b"", b"\0\0\x29\x04\xd0\0\0\0\0\0\0"))))
    for _ in range(draw(st.integers(0, 6))):
        packet[draw(st.integers(2, len(packet) - 1))] = draw(st.integers(0, 255))
    return bytes(packet[: draw(st.integers(0, len(packet)))]) + draw(st.binary(max_size=8))


names = st.lists(st.binary(min_size=1, max_size=63), max_size=6).map(
    lambda labels: b"".join(bytes([len(each)]) + each for each in labels)
)
cluster_queries = st.builds(
    lambda front, back, qtype: b"\1\2\1\0\0\1\0\0\0\0\0\0" + front + back + qtype.to_bytes(2, "big") + b"\0\1",
    names,
    st.sampled_from(("cluster.local", "default.pod.cluster.local", "x\x03pod.cluster.local")).map(wire_name),
    st.integers(0, 65535),
)


@settings(max_examples=600)
@given(st.one_of(st.binary(max_size=600), bent_queries(), cluster_queries))
def test_every_packet_is_answered_or_refused(packet):
    query = parse_query(packet, udp_bytes=1232)
    if isinstance(query, Refused):
        reply = query.reply
    else:
        assert isinstance(query, Query)
        found = ZONE.lookup(query)
        assert found is None or isinstance(found, Answer | Entry)
        reply = found.render(query) if isinstance(found, Answer) else None
    if reply is not None:
        assert reply[:2] == packet[:2]
        assert reply[2] & 0x80
        assert len(reply) <= 1232
        assert len(reply) <= len(packet) + 200  # nothing to amplify with


@settings(max_examples=600)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda tail: GOOD[:6] + b"\0\2" + tail)))
def test_a_foreign_answer_is_read_or_called_malformed(tail):
    packet = (GOOD[:2] + b"\x81\x80" + tail).ljust(12, b"\0")
    try:
        answer = read_foreign(packet, b"", limits=Limits(positive_s=60, negative_s=60), now=0)
    except MalformedError:
        return
    answer.render(Query(b"\0\0", 1, 0, b"\0", b"\0\1\0\1", b"\0\0\1\0\1", 512, False, False), 30)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), bent_queries()))
def test_the_server_goes_on_after_any_packet(storm, packet):
    storm.send(packet)


@pytest.fixture
def storm(dns):
    """Sends packets to the server, and at the end asks it a good question."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", dns.port))
        yield sock
    assert dns.short("frontend.default.svc.cluster.local") == ["10.96.0.7"]


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (GOOD[:2] + b"\x28" + GOOD[3:], 4),  # an update
        (GOOD[:4] + b"\0\2" + GOOD[6:], 1),  # two questions
        (GOOD[:-2], 1),  # cut short
        (GOOD[:12] + b"\xc0\x0c" + GOOD[-4:], 1),  # a name that points to itself
        (GOOD[:-2] + b"\0\3", 5),  # class CHAOS
        (GOOD[:-4] + b"\0\xfc\0\1", 5),  # a zone transfer
    ],
    ids=["update", "two-questions", "cut-short", "pointer", "chaos", "transfer"],
)
def test_what_is_not_served_is_refused_by_its_code(dns, packet, rcode):
    reply = dns.raw(packet)
    assert reply[:2] == packet[:2]
    assert reply[3] & 0x0F == rcode


def test_an_answer_is_never_answered():
    assert parse_query(GOOD[:2] + b"\x81\x80" + GOOD[4:], udp_bytes=1232) == Refused(None)

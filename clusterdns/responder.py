"""One packet in, one answer out: from the table of ready messages, the zone, or later from a forwarder.

The rule: `answer` never raises for anything that a packet contains, and never blocks.
"""

import time

from clusterdns.answers import Answer
from clusterdns.counts import OTHER, Counts, Traffic, place, type_name
from clusterdns.forwarder import Forwarder, Job, Reply, follow
from clusterdns.wire import Query, Refused, parse_query, servfail
from clusterdns.zone import Zone

MAX_REMEMBERED_BYTES = 320  # of a query: the longest name, EDNS, a cookie


class Responder:
    """Decides where the answer to a packet comes from."""

    def __init__(self, zone: Zone, forwarder: Forwarder, counts: Counts, *, udp_bytes: int, ttl_s: int) -> None:
        self.zone = zone
        self.counts = counts
        self._forwarder = forwarder
        self._udp_bytes, self._ttl_s = udp_bytes, ttl_s

    def answer(self, data: bytes, reply: Reply, *, tcp: bool = False) -> bytes | None:
        """The answer when it is known now; None when there is none, or `reply` gets it (now or later)."""
        began, traffic = time.perf_counter(), self.counts.tcp if tcp else self.counts.udp
        version = self.zone.ready.version  # taken before the lookup: see Ready.remember
        query = parse_query(data, udp_bytes=self._udp_bytes, tcp=tcp)
        if isinstance(query, Refused):
            if query.reply is not None:
                traffic.answered(OTHER, query.reply[3] & 0x0F, "", time.perf_counter() - began)
            return query.reply
        found = self.zone.lookup(query)
        if isinstance(found, Answer):
            message = found.render(query)
            kind, code = type_name(query.kind), message[3] & 0x0F
            if not (tcp or found.rotates) and len(data) <= MAX_REMEMBERED_BYTES:
                ready = bytes((place(kind, code),)) + message[2:]
                self.zone.ready.remember(version, query.name, data[2:], ready)
            traffic.answered(kind, code, "kubernetes", time.perf_counter() - began)
            return message
        later = _counted(traffic, query, reply, began)
        if found is None:
            self._forwarder.submit(Job(query), later)
            return None
        chain, last = self.zone.chain(query, found)
        if last is None:
            self._forwarder.submit(Job(query, chain), later)
            return None
        message = self._alias(Job(query, chain), last)
        traffic.answered(type_name(query.kind), message[3] & 0x0F, "kubernetes", time.perf_counter() - began)
        return message

    def _alias(self, job: Job, last: Answer) -> bytes:
        """The chain ends in our own zone."""
        whole: Query = job.asked._replace(edns=False)
        followed = follow(job, last.render(whole), ttl_s=self._ttl_s)
        return followed.render(job.query, followed.born) if followed is not None else servfail(job.query)


def _counted(traffic: Traffic, query: Query, reply: Reply, began: float) -> Reply:
    """Counts what is replied, whenever that is."""

    def told(message: bytes) -> None:
        traffic.answered(type_name(query.kind), message[3] & 0x0F, "forward", time.perf_counter() - began)
        reply(message)

    return told

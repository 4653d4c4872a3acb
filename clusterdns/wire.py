"""The DNS message by hand: queries read, answers put together, foreign answers walked.

The rule: no input makes this module raise anything but `MalformedError`, and a query costs no object
tree. RFC 1035 for the message, RFC 6891 for EDNS0, RFC 2181 section 9 for truncation.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER_BYTES = 12
PLAIN_UDP_BYTES = 512
TCP_BYTES = 65535
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
BADVERS = 16
RCODES = {
    NOERROR: "NOERROR", FORMERR: "FORMERR", SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN", NOTIMP: "NOTIMP",
    REFUSED: "REFUSED",
}  # fmt: skip
TYPE_A, TYPE_NS, TYPE_CNAME, TYPE_SOA, TYPE_PTR, TYPE_TXT = 1, 2, 5, 6, 12, 16
TYPE_AAAA, TYPE_SRV, TYPE_OPT, TYPE_ANY = 28, 33, 41, 255
QTYPES = {
    TYPE_A: "A", TYPE_NS: "NS", TYPE_CNAME: "CNAME", TYPE_SOA: "SOA", TYPE_PTR: "PTR", 15: "MX", TYPE_TXT: "TXT",
    TYPE_AAAA: "AAAA", TYPE_SRV: "SRV", 35: "NAPTR", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 64: "SVCB",
    65: "HTTPS", TYPE_ANY: "ANY",
}  # fmt: skip
TRANSFERS = (251, 252)  # IXFR and AXFR
CLASS_IN = 1
TO_QUESTION = b"\xc0\x0c"  # a pointer to offset 12: the name of the question
TC = 0x02


class MalformedError(ValueError):
    """A message that is not DNS."""


class Query(NamedTuple):
    """One question; all that an answer needs of the packet it came in."""

    ident: bytes
    rd: int  # 1 when recursion is desired
    cd: int  # 0x10 when checking is disabled
    name: bytes  # wire form, lower case
    kind: bytes  # type and class, two bytes each
    question: bytes  # as asked, in the client's case
    limit: int  # bytes that an answer may have
    edns: bool
    do: bool

    @property
    def qtype(self) -> int:
        return self.kind[0] << 8 | self.kind[1]


class Refused(NamedTuple):
    """A packet that asks nothing we answer: the reply to send, None to stay silent."""

    reply: bytes | None


def kind_of(qtype: int) -> bytes:
    """Type and class IN as they stand in a question."""
    return struct.pack("!HH", qtype, CLASS_IN)


def parse_query(data: bytes, *, udp_bytes: int, tcp: bool = False) -> Query | Refused:
    """Read one packet; `udp_bytes` is the most we send over UDP whatever the client offers."""
    if len(data) < HEADER_BYTES or data[2] & 0x80:
        return Refused(None)  # an answer to an answer could go round for ever
    if data[2] & 0x78:
        return Refused(_error(data, NOTIMP))
    if data[2] & 0x02 or data[4:10] != b"\0\1\0\0\0\0" or data[10] or data[11] > 1:
        return Refused(_error(data, FORMERR))
    end = _question_end(data)
    if end is None:
        return Refused(_error(data, FORMERR))
    question, opt = data[HEADER_BYTES:end], data[end:]
    refusal = _unserved(data, question)
    if refusal is not None:
        return refusal
    limit, do = PLAIN_UDP_BYTES, False
    if data[11]:
        if len(opt) < 11 or opt[:3] != b"\0\0\x29" or len(opt) != 11 + (opt[9] << 8 | opt[10]):
            return Refused(_error(data, FORMERR, question))
        if opt[6]:
            return Refused(_bad_version(data, question))
        limit = min(max(opt[3] << 8 | opt[4], PLAIN_UDP_BYTES), udp_bytes)
        do = bool(opt[7] & 0x80)
    return Query(
        data[:2],
        data[2] & 1,
        data[3] & 0x10,
        question[:-4].lower(),
        question[-4:],
        question,
        TCP_BYTES if tcp else limit,
        bool(data[11]),
        do,
    )


def _question_end(data: bytes) -> int | None:
    """Offset after the question, None when its name is no plain name of at most 255 bytes."""
    offset, size = HEADER_BYTES, len(data)
    while offset < size and (length := data[offset]):
        if length > 63:
            return None
        offset += length + 1
    end = offset + 5
    return end if end <= size and offset - HEADER_BYTES < 255 else None


def _unserved(data: bytes, question: bytes) -> Refused | None:
    if question[-2:] != b"\0\1" or (question[-4] << 8 | question[-3]) in TRANSFERS:
        return Refused(_error(data, REFUSED, question))
    return None


def _error(data: bytes, rcode: int, question: bytes = b"") -> bytes:
    flags = bytes((0x80 | data[2] & 0x79, 0x80 | rcode))
    counts = b"\0\1\0\0\0\0\0\0" if question else b"\0" * 8
    return data[:2] + flags + counts + question


def _bad_version(data: bytes, question: bytes) -> bytes:
    head = data[:2] + bytes((0x80 | data[2] & 1, 0x80)) + b"\0\1\0\0\0\0\0\1"
    return head + question + struct.pack("!BHHBBHH", 0, TYPE_OPT, PLAIN_UDP_BYTES, BADVERS >> 4, 0, 0, 0)


def message(query: Query, head: tuple[int, int], counts: tuple[int, int, int], body: bytes) -> bytes:
    """An answer: `head` is the authority and truncation bits and the rcode, `counts` the three sections."""
    flags, rcode = head
    answers, authority, additional = counts
    return b"".join(
        (
            query.ident,
            struct.pack(
                "!BBHHHH",
                0x80 | flags | query.rd,
                0x80 | query.cd | rcode,
                1,
                answers,
                authority,
                additional + query.edns,
            ),
            query.question,
            body,
            opt_record(query) if query.edns else b"",
        )
    )


def opt_record(query: Query) -> bytes:
    """The OPT record of an answer; RFC 3225 asks that the DO bit is copied."""
    return b"\0\0\x29\x04\xd0\0\0" + (b"\x80" if query.do else b"\0") + b"\0\0\0"


def room(query: Query) -> int:
    """Bytes that an answer's records may take."""
    return query.limit - HEADER_BYTES - len(query.question) - (11 if query.edns else 0)


def servfail(query: Query) -> bytes:
    """The answer when nobody knows."""
    return message(query, (0, SERVFAIL), (0, 0, 0), b"")


def record(owner: bytes, rtype: int, ttl_s: int, rdata: bytes) -> bytes:
    """One resource record of class IN."""
    return owner + struct.pack("!HHIH", rtype, CLASS_IN, ttl_s, len(rdata)) + rdata


class Record(NamedTuple):
    """Where one record of a foreign message lies, and what we need of it."""

    section: int  # 0 answer, 1 authority, 2 additional
    start: int
    rtype: int
    ttl: int
    ttl_offset: int
    rdata: int
    end: int


def walk_records(data: bytes, offset: int) -> Iterator[Record]:
    """The records of a whole message from `offset` on; MalformedError when it is cut or crooked."""
    try:
        for section, count in enumerate(struct.unpack_from("!HHH", data, 6)):
            for _ in range(count):
                start, offset = offset, _skip_name(data, offset)
                rtype, _class, ttl, size = struct.unpack_from("!HHIH", data, offset)
                rdata, ttl_offset = offset + 10, offset + 4
                offset = rdata + size
                if offset > len(data):
                    raise MalformedError("record beyond the end")
                yield Record(section, start, rtype, ttl, ttl_offset, rdata, offset)
    except (IndexError, struct.error) as error:
        raise MalformedError("message cut short") from error


def _skip_name(data: bytes, offset: int) -> int:
    while length := data[offset]:
        if length >= 0xC0:
            return offset + 2
        if length > 63:
            raise MalformedError("label of unknown form")
        offset += length + 1
    return offset + 1

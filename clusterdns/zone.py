"""The table of cluster names: looked up by one thread, changed by others, no lock on the way to an answer.

The rule: a reader sees a name either before or after a change, never half of it. Every change is made of
single dictionary operations by `_write`, and the ready messages of the names written are forgotten only after them.

A name with one record, as nearly all have, is kept as bytes: its type and class, then its packed answer. What else is
known of a service is kept as it came; its names are worked out again when it goes.
"""

import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass

from clusterdns.answers import Answer
from clusterdns.names import ancestors, reverse_zones, undashed, wire_name
from clusterdns.ready import Ready
from clusterdns.records import Built, Entry, ServiceNames, address_entry, build
from clusterdns.wire import (
    NXDOMAIN,
    SERVFAIL,
    TO_QUESTION,
    TYPE_ANY,
    TYPE_NS,
    TYPE_PTR,
    TYPE_SOA,
    TYPE_TXT,
    Query,
    kind_of,
    record,
)

SPECIFICATION = "1.1.0"  # answered under dns-version, as the specification asks
SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S = 7200, 1800, 86400
MAX_CHAIN = 8  # aliases of aliases

Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Negative:
    """The two ways of saying no for one zone, with its SOA."""

    no_name: Answer
    no_data: Answer


_NOTHING = Built({}, ())
_EMPTY = Entry({})
_KIND_BYTES = 4


def pack(entry: Entry) -> bytes | Entry:
    """As little as a name can be kept in; the entry itself where it has an alias or several records."""
    if not entry.answers and entry.alias is None:
        return _EMPTY
    if entry.alias is None and len(entry.answers) == 1:
        ((kind, answer),) = entry.answers.items()
        packed = answer.packed()
        if packed is not None:
            return kind + packed
    return entry


def unpack(kept: bytes | Entry) -> Entry:
    """The entry that `pack` made it of."""
    if isinstance(kept, Entry):
        return kept
    return Entry({kept[:_KIND_BYTES]: Answer.unpacked(kept[_KIND_BYTES:])})


class Zone:
    """Names of one cluster."""

    def __init__(self, *, domain: str, address: str, ttl_s: int, reverse_cidrs: tuple[str, ...]) -> None:
        self.ready = Ready()
        self.synced = False
        self._domain, self._ttl_s = domain, ttl_s
        self._lock = threading.Lock()
        self._names: dict[bytes, bytes | Entry] = {}
        self._written: set[bytes] = set()
        self._services: dict[Key, ServiceNames] = {}
        self._owners: dict[bytes, tuple[Key, ...]] = {}
        """Reverse names to the services that they point to."""
        self._namespaces: Counter[str] = Counter()
        self._apex = wire_name(domain)
        self._pods = wire_name(f"pod.{domain}")
        reverse = [zone for cidr in reverse_cidrs for zone in reverse_zones(cidr)]
        self._zones = [self._apex, *map(wire_name, reverse)]
        self._negative: dict[bytes, Negative] = {}
        self._soa_names = wire_name(f"ns.dns.{domain}") + wire_name(f"hostmaster.{domain}")
        self._serial = int(time.time())
        self._apex_answers: dict[bytes, Answer] = {}
        self._publish()
        self._add_fixed(address)

    def lookup(self, query: Query) -> Answer | Entry | None:
        """The answer; an entry whose alias has to be followed; None for a name that is not ours."""
        kept = self._names.get(query.name)
        if kept is None:
            return self._absent(query)
        entry = unpack(kept)
        answer = entry.answers.get(query.kind)
        if answer is not None:
            return answer
        if query.qtype == TYPE_ANY and entry.answers:
            return next(iter(entry.answers.values()))  # one set of records is enough: RFC 8482
        if entry.alias is not None:
            return entry
        negative = self._negative_of(query.name)
        # A pointer outside our reverse zones: another type of that name is not ours to deny.
        return negative.no_data if negative is not None else None

    def chain(self, query: Query, entry: Entry) -> tuple[tuple[bytes, ...], Answer | None]:
        """The targets of an alias, one after the other, and the last one's answer if that name is ours."""
        targets: list[bytes] = []
        while entry.alias is not None and len(targets) < MAX_CHAIN:
            targets.append(entry.alias)
            found = self.lookup(query._replace(name=entry.alias))
            if not isinstance(found, Entry):
                return tuple(targets), found
            entry = found
        return tuple(targets), Answer(rcode=SERVFAIL)  # aliases in a ring

    def put(self, service: ServiceNames) -> None:
        """Add or replace a service; ValueError, and nothing changed, when its names are impossible."""
        key = (service.namespace, service.name)
        with self._lock:
            if self._services.get(key) != service:
                self._replace(key, service, self._build(service))

    def remove(self, namespace: str, name: str) -> None:
        """Forget a service; one that is not there is no error."""
        with self._lock:
            if (namespace, name) in self._services:
                self._replace((namespace, name), None, _NOTHING)

    def services(self) -> list[ServiceNames]:
        """Every service whose names are answered."""
        with self._lock:
            return list(self._services.values())

    def mark_synced(self) -> None:
        """From now on a name that is not in the table does not exist."""
        self.synced = True
        self.ready.forget_all()

    def _build(self, service: ServiceNames) -> Built:
        return build(service, domain=self._domain, ttl_s=self._ttl_s)

    def _replace(self, key: Key, service: ServiceNames | None, built: Built) -> None:
        before = self._services.get(key)
        old = self._build(before) if before is not None else _NOTHING
        for name, entry in built.entries.items():
            self._write(name, pack(entry))
        for gone in old.entries.keys() - built.entries.keys():
            self._write(gone, None)
        targets: dict[bytes, list[bytes]] = {name: [] for name, _target in old.pointers}
        for name, target in built.pointers:
            targets.setdefault(name, []).append(target)
        for name, found in targets.items():
            self._point(name, key, found)
        self._count_namespace(key, service is not None)
        if service is not None:
            self._services[key] = service
        else:
            del self._services[key]
        self._publish()

    def _point(self, name: bytes, key: Key, targets: list[bytes]) -> None:
        """Several services may stand behind one address; each has its own pointers."""
        others = [owner for owner in self._owners.get(name, ()) if owner != key]
        found = set(targets)
        for owner in others:
            pointers = self._build(self._services[owner]).pointers
            found |= {target for pointer, target in pointers if pointer == name}
        if found:
            self._owners[name] = (*others, key) if targets else tuple(others)
            encoded = [record(TO_QUESTION, TYPE_PTR, self._ttl_s, target) for target in sorted(found)]
            self._write(name, pack(Entry({kind_of(TYPE_PTR): Answer(encoded)})))
        else:
            self._write(name, None)
            self._owners.pop(name, None)

    def _count_namespace(self, key: Key, present: bool) -> None:
        """A namespace with services is a name that exists and has no records."""
        self._namespaces[key[0]] += int(present) - int(key in self._services)
        name = wire_name(f"{key[0]}.svc.{self._domain}")
        self._write(name, _EMPTY if self._namespaces[key[0]] else None)

    def _write(self, name: bytes, kept: bytes | Entry | None) -> None:
        """Every change of a name of services goes through here; None: there is no such name any more."""
        if self._names.get(name) == kept:
            return
        if kept is None:
            del self._names[name]
        else:
            self._names[name] = kept
        self._written.add(name)

    def _add_fixed(self, address: str) -> None:
        server = wire_name(f"ns.dns.{self._domain}")
        soa, ns = kind_of(TYPE_SOA), kind_of(TYPE_NS)
        self._apex_answers = {
            soa: Answer([self._soa(TO_QUESTION)]),
            ns: Answer([record(TO_QUESTION, TYPE_NS, self._ttl_s, server)]),
        }
        self._names[self._apex] = Entry(self._apex_answers)
        self._names[server] = address_entry([address], self._ttl_s)
        version = bytes([len(SPECIFICATION)]) + SPECIFICATION.encode()
        text = record(TO_QUESTION, TYPE_TXT, self._ttl_s, version)
        self._names[wire_name(f"dns-version.{self._domain}")] = Entry({kind_of(TYPE_TXT): Answer([text])})
        for empty in ("svc", "pod", "dns"):
            self._names[wire_name(f"{empty}.{self._domain}")] = _EMPTY

    def _publish(self) -> None:
        """A new serial in every SOA, then no ready message of what was written: in that order.

        Denials of other names stay with the serial of their time. It tells nobody anything there: resolvers take the
        time to live from that SOA (RFC 2308), as those behind CoreDNS' cache do, and a secondary asks at the apex.
        """
        self._serial += 1
        for apex in self._zones:
            soa = [self._soa(apex)]
            self._negative[apex] = Negative(Answer(authority=soa, rcode=NXDOMAIN), Answer(authority=soa))
        self._apex_answers[kind_of(TYPE_SOA)] = Answer([self._soa(TO_QUESTION)])
        self.ready.forget({self._apex, *self._written})
        self._written.clear()

    def _soa(self, owner: bytes) -> bytes:
        times = struct.pack("!5I", self._serial & 0xFFFFFFFF, SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S, self._ttl_s)
        return record(owner, TYPE_SOA, self._ttl_s, self._soa_names + times)

    def _absent(self, query: Query) -> Answer | None:
        negative = self._negative_of(query.name)
        if negative is None:
            return None
        pod = self._pod(query.name)
        if pod is not None:
            return pod.answers.get(query.kind, negative.no_data)
        return negative.no_name if self.synced else Answer(rcode=SERVFAIL)

    def _pod(self, name: bytes) -> Entry | None:
        """A pod's name spells its address; as in CoreDNS' default, whether the pod lives is not asked."""
        steps = list(ancestors(name))
        if self._pods not in steps:
            return None
        above = steps.index(self._pods)
        if above == 1:
            return Entry({})  # the namespace
        address = undashed(steps[0][1 : steps[0][0] + 1]) if above == 2 else None
        return address_entry([address], self._ttl_s) if address is not None else None

    def _negative_of(self, name: bytes) -> Negative | None:
        for step in ancestors(name):
            if step in self._negative:
                return self._negative[step]
        return None

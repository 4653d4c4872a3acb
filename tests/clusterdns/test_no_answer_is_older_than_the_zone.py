"""Ready answers go with the names that change, and only with those: whatever is changed and asked, in any order."""

from dnslib import QTYPE, DNSQuestion, DNSRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterdns.counts import Counts
from clusterdns.records import Endpoint, Port, ServiceNames
from clusterdns.responder import Responder
from clusterdns.zone import Zone

DOMAIN = "cluster.local"
ADDRESSES = ("10.96.0.1", "10.96.0.2", "fd00:96::1")
NAMESPACES, NAMES, HOSTS = ("red", "blue"), ("web", "db"), ("", "one")
PORTS = (Port("http", "TCP", 80), Port("dns", "UDP", 53), Port("http", "TCP", 81))

keys = st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(NAMES))
addresses = st.sampled_from(ADDRESSES)
ports = st.lists(st.sampled_from(PORTS), max_size=2, unique=True).map(tuple)
endpoints = st.lists(st.builds(Endpoint, addresses, st.sampled_from(HOSTS), st.booleans(), ports), max_size=3)
specs = st.one_of(
    st.fixed_dictionaries(
        {"addresses": st.lists(addresses, min_size=1, max_size=2, unique=True).map(tuple), "ports": ports}
    ),
    st.fixed_dictionaries({"endpoints": endpoints.map(tuple), "publish_not_ready": st.booleans()}),
    st.fixed_dictionaries({"external_name": st.sampled_from([f"{n}.red.svc.{DOMAIN}" for n in NAMES])}),
)


def _asked():
    hosts = [f"{name}.{space}.svc" for name in NAMES for space in NAMESPACES]
    below = ("one", "10-96-0-1", "_tcp", "_http._tcp", "_dns._udp", "none")
    names = [*hosts, *(f"{one}.{host}" for one in below for host in hosts), *(f"{space}.svc" for space in NAMESPACES)]
    names = [f"{name}.{DOMAIN}" for name in (*names, "svc", "ns.dns", "10-96-0-1.red.pod", "red.pod", "no")] + [DOMAIN]
    names += ["1.0.96.10.in-addr.arpa", "2.0.96.10.in-addr.arpa", "3.0.96.10.in-addr.arpa"]
    names += [name.upper() for name in hosts]
    kinds = ("A", "AAAA", "SRV", "PTR", "CNAME", "SOA", "ANY")
    return [bytes(DNSRecord(q=DNSQuestion(name, getattr(QTYPE, kind))).pack()) for name in names for kind in kinds]


QUESTIONS = _asked()
changes = st.tuples(keys, st.none() | specs)
steps = st.tuples(changes | st.just("synced"), st.sets(st.sampled_from(QUESTIONS), max_size=60))


class Nobody:
    """Where questions that are not ours go."""

    def submit(self, job, reply):
        pass


class Server:
    """A zone and what answers from it, without sockets."""

    def __init__(self):
        self.zone = Zone(
            domain=DOMAIN, address="169.254.20.10", ttl_s=5, reverse_cidrs=("10.96.0.0/16", "fd00:96::/112")
        )
        self._responder = Responder(self.zone, Nobody(), Counts(), udp_bytes=1232, ttl_s=5)

    def change(self, key, spec):
        if spec is None:
            self.zone.remove(*key)
        else:
            self.zone.put(ServiceNames(*key, **spec))

    def ask(self, question):
        """As the UDP server answers: from the ready messages first. None: it is forwarded."""
        ready = self.zone.ready.messages.get(question[2:])
        if ready is not None:
            return question[:2] + ready[1:]
        return self._responder.answer(question, lambda _reply: None)


def told(answer):
    """All that an answer says; records that take turns sorted, and no serial, which counts a zone's changes."""
    if answer is None:
        return None
    found = DNSRecord.parse(answer)
    for each in (*found.rr, *found.auth):
        if each.rtype == QTYPE.SOA:
            each.rdata.times = (0, *each.rdata.times[1:])
    sections = [sorted(map(str, section)) for section in (found.rr, found.auth, found.ar)]
    return found.header.rcode, found.header.aa, str(found.q), sections


def new_answers(held, synced):
    server = Server()
    for key, spec in held.items():
        server.change(key, spec)
    if synced:
        server.zone.mark_synced()
    return {question: told(server.ask(question)) for question in QUESTIONS}


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=6))
def test_answers_are_those_of_a_new_zone(taken):
    held, synced, server = {}, False, Server()
    for done, asked in taken:
        if done == "synced":
            server.zone.mark_synced()
            synced = True
        else:
            key, spec = done
            server.change(key, spec)
            held = {each: held[each] for each in held if each != key} | ({key: spec} if spec is not None else {})
        for question in asked:
            server.ask(question)
    new = new_answers(held, synced)
    for question in QUESTIONS:
        for _from_the_zone_then_ready in range(2):
            assert told(server.ask(question)) == new[question]


def address_of(name):
    return bytes(DNSRecord.question(f"{name}.{DOMAIN}", "A").pack())


def test_answers_of_other_services_stay_ready():
    server = Server()
    server.zone.mark_synced()
    for name in ("web", "db"):
        server.change(("red", name), {"addresses": ("10.96.0.1",)})
    kept, denied, gone = map(address_of, ("db.red.svc", "none.red.svc", "web.red.svc"))
    for each in (kept, denied, gone):
        server.ask(each)
    server.change(("red", "web"), {"addresses": ("10.96.0.2",)})
    assert [each[2:] in server.zone.ready.messages for each in (kept, denied, gone)] == [True, True, False]


def test_the_serial_that_is_asked_for_is_never_an_old_one():
    server, asked, serials = Server(), bytes(DNSRecord.question(DOMAIN, "SOA").pack()), []
    for number in range(1, 4):
        server.change(("red", "web"), {"addresses": (f"10.96.0.{number}",)})
        serials.append(DNSRecord.parse(server.ask(asked)).rr[0].rdata.times[0])
    assert serials == [serials[0], serials[0] + 1, serials[0] + 2]


def test_an_answer_that_a_change_overtook_is_not_kept(monkeypatch):
    """The zone is asked, then changed, and only then is the answer remembered."""
    server = Server()
    server.change(("red", "web"), {"addresses": ("10.96.0.1",)})
    looked_up = server.zone.lookup

    def overtaken(query):
        found = looked_up(query)
        server.change(("red", "web"), {"addresses": ("10.96.0.2",)})
        return found

    with monkeypatch.context() as patch:
        patch.setattr(server.zone, "lookup", overtaken)
        server.ask(address_of("web.red.svc"))
    assert str(DNSRecord.parse(server.ask(address_of("web.red.svc"))).rr[0].rdata) == "10.96.0.2"

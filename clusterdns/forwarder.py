"""Questions about names that are not ours: asked of other servers by a few named threads.

The rule: one question is under way once, however many wait for it. That spares the servers, keeps a loop
through another resolver from growing, and leaves a forger one chance instead of many. Queues are bounded;
what does not fit is answered SERVFAIL at once.
"""

import logging
import queue
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from dnslib import DNSError, DNSRecord

from clusterdns.cache import Cache, Foreign, Key, Limits, key_of, read_foreign
from clusterdns.counts import Forwarding
from clusterdns.exchange import ask
from clusterdns.upstreams import Server, Upstreams
from clusterdns.wire import (
    NOTIMP,
    REFUSED,
    SERVFAIL,
    TCP_BYTES,
    TYPE_CNAME,
    TYPE_NS,
    MalformedError,
    Query,
    kind_of,
    record,
    servfail,
)

log = logging.getLogger(__name__)

ROUNDS = 2  # every server is asked so often before nobody knows
MAX_WAITERS = 256  # clients that wait for one question
DEADLINE_S = 4.5  # a client's own resolver gives up after 5
USELESS = (SERVFAIL, REFUSED, NOTIMP)  # another server may do better
HEALTH_CHECK_S = 2.0
ROOT_SERVERS = Query(b"\0\0", 1, 0, b"\0", kind_of(TYPE_NS), b"\0" + kind_of(TYPE_NS), TCP_BYTES, True, False)
Reply = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Job:
    """A question to put to the servers; for an alias they are asked for the last target of its chain."""

    query: Query
    chain: tuple[bytes, ...] = ()

    @property
    def asked(self) -> Query:
        """The question as other servers get it."""
        if not self.chain:
            return self.query
        name = self.chain[-1]
        return self.query._replace(name=name, question=name + self.query.kind, limit=TCP_BYTES)


class Forwarder:
    """The threads that ask, the clients that wait, the answers kept."""

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        cache: Cache,
        limits: Limits,
        alias_ttl_s: int,
        timeout_s: float,
        workers: int,
        backlog: int,
        counts: Forwarding,
    ) -> None:
        self._counts = counts
        self._upstreams, self._cache, self._timeout_s = upstreams, cache, timeout_s
        self._limits, self._alias_ttl_s = limits, alias_ttl_s
        self._lock = threading.Lock()
        self._waiting: dict[Key, list[tuple[Query, Reply]]] = {}
        self._jobs: queue.Queue[Job | None] = queue.Queue(backlog)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"dns-forward-{number}", daemon=True) for number in range(workers)
        ]
        self._health = threading.Thread(target=self._check_health, name="dns-health", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        for thread in (*self._threads, self._health):
            thread.start()

    def stop(self) -> None:
        """Give up what waits and join the threads, each of which ends after one server's time at most."""
        self._stopping.set()
        self._upstreams.wake()
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                self._deliver(job, None)
        for _ in self._threads:
            self._jobs.put(None, timeout=DEADLINE_S)
        for thread in (*self._threads, self._health):
            thread.join(timeout=DEADLINE_S)

    def submit(self, job: Job, reply: Reply) -> None:
        """Answer now when the answer is kept, later through a thread otherwise; never blocks."""
        key = key_of(job.query)
        kept, now = self._cache.get(key), time.monotonic()
        if kept is not None:
            reply(kept.render(job.query, now))
            if now < kept.ends and kept.is_old(now):
                self._enqueue(key, job, None, instead_of=kept)
        elif not self._enqueue(key, job, reply):
            reply(servfail(job.query))

    def _enqueue(self, key: Key, job: Job, reply: Reply | None, *, instead_of: Foreign | None = None) -> bool:
        """Have it asked, unless it is under way already; without a reply for the cache alone, unless another answer has
        come there by now.
        """
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is not None:
                if reply is None:
                    return True
                if len(waiting) >= MAX_WAITERS:
                    self._counts.refused += 1
                    return False
                waiting.append((job.query, reply))
                return True
            if reply is None and self._cache.get(key) is not instead_of:
                return True
            if self._stopping.is_set():
                return False
            try:
                self._jobs.put_nowait(job)
            except queue.Full:
                self._counts.refused += 1
                return False
            self._waiting[key] = [(job.query, reply)] if reply is not None else []
            return True

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            answer = None
            try:
                answer = self._resolve(job)
            except Exception:
                log.exception("question failed name=%r", job.query.name)
            finally:
                self._deliver(job, answer)

    def _deliver(self, job: Job, answer: Foreign | None) -> None:
        key = key_of(job.query)
        if answer is not None:
            self._cache.put(key, answer)
        if answer is None or answer.rcode in USELESS:
            answer = self._cache.stale(key) or answer
        with self._lock:
            waiting = self._waiting.pop(key, [])
        for query, reply in waiting:
            reply(answer.render(query, time.monotonic()) if answer is not None else servfail(query))

    def _check_health(self) -> None:
        """Ask servers that failed, now and then, whether they answer at all; asleep while none did."""
        while not self._stopping.is_set():
            self._upstreams.wait_for_failure()
            for server in self._upstreams.failing():
                if self._stopping.is_set():
                    return
                if self._ask_one(server, ROOT_SERVERS, self._timeout_s) is None:
                    self._counts.failed_check(str(server))
                    continue
                log.info("resolver answers again server=%s", server)
                self._upstreams.worked(server)
            self._stopping.wait(HEALTH_CHECK_S)

    def _resolve(self, job: Job) -> Foreign | None:
        data = self._ask_all(job.asked)
        if data is None:
            return None
        if job.chain:
            return follow(job, data, ttl_s=self._alias_ttl_s)
        return read_foreign(data, job.query.question, limits=self._limits, now=time.monotonic())

    def _ask_all(self, query: Query) -> bytes | None:
        """The first useful answer; else the last useless one (SERVFAIL, REFUSED); None when all were silent."""
        deadline, last = time.monotonic() + DEADLINE_S, None
        for server in self._upstreams.in_order() * ROUNDS:
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping.is_set():
                break
            data = self._ask_one(server, query, min(left, self._timeout_s))
            if data is None:
                continue
            if data[3] & 0x0F not in USELESS:
                self._upstreams.worked(server)
                return data
            last = data
        return last

    def _ask_one(self, server: Server, query: Query, timeout_s: float) -> bytes | None:
        began = self._counts.asked(str(server))
        try:
            data = ask(server, query, timeout_s=timeout_s)
            read_foreign(data, query.question, limits=self._limits, now=0)  # a crooked one is the server's failure
        except (OSError, MalformedError) as error:
            self._upstreams.failed(server)
            log.debug("resolver failed server=%s name=%r error=%s", server, query.name, error)
            return None
        self._counts.answered(str(server), data[3] & 0x0F, began)
        return data


def follow(job: Job, data: bytes, *, ttl_s: int) -> Foreign | None:
    """An answer for an alias' last target, as an answer for the alias: stub resolvers do not follow by themselves.

    It is kept no longer than `ttl_s`, since the alias itself may change.
    """
    query, owners = job.query, (job.query.name, *job.chain)
    aliases = [record(owner, TYPE_CNAME, ttl_s, target) for owner, target in pairwise(owners)]
    head = struct.pack("!HHHHHH", 0, 0x8480, 1, len(aliases), 0, 0)
    try:
        target = DNSRecord.parse(data)
        reply = DNSRecord.parse(head + query.question + b"".join(aliases))
        reply.header.rcode = target.header.rcode
        for each in target.rr:
            reply.add_answer(each)
        for each in target.auth:
            reply.add_auth(each)
        packed = bytes(reply.pack())
    except DNSError as error:
        log.warning("alias not followed target=%s error=%s", job.chain[-1], error)
        return None
    limits = Limits(positive_s=ttl_s, negative_s=ttl_s)
    return read_foreign(packed, query.question, limits=limits, now=time.monotonic())

"""Calls to etcd, over several connections and any of its members.

The rule: a call goes to one member until that fails, then to the next, until the deadline. Whoever calls may
only send what does no harm when it is received twice. A refusal that would be the same from every member is
raised as Refused at once; `Unanswered` tells whether any sending may have been received.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from master.store.etcd.endpoint import Connection, Endpoint, tls_context
from master.store.etcd.messages import Fault, HeaderAnswer, RangeAnswer, TxnAnswer, WatchAnswer
from master.store.etcd.options import EtcdOptions

log = logging.getLogger(__name__)

T = TypeVar("T")

# gRPC's codes that no other member and no later time will answer differently.
_FINAL = {3, 5, 7, 9, 11, 12, 16}
_EXHAUSTED = 8  # too many requests (passes), or too large, or no space left (do not)
_PAUSE_S, _PAUSE_MAX_S = 0.02, 0.5


class Refused(Exception):
    """etcd will not do it; `sent` when an earlier sending was left unanswered and may have been done."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.sent = False


class Unanswered(Exception):
    """No member answered in time; `sent` when one may have received the call."""

    def __init__(self, problem: str, *, sent: bool) -> None:
        super().__init__(problem)
        self.sent = sent


class _Passing(Exception):
    """A member that cannot answer now: no leader, too busy."""


_KINDS: tuple[type, ...] = (RangeAnswer, TxnAnswer, HeaderAnswer, Fault, WatchAnswer)
# Not strict: 64-bit numbers come as strings.
_decoders: dict[type, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(kind, strict=False) for kind in _KINDS}


def decode(content: bytes, kind: type[T]) -> T:
    """Raises _Passing: a member (or a proxy before it) that talks nonsense is not the one to ask."""
    try:
        answer = _decoders[kind].decode(content)
    except msgspec.MsgspecError as error:
        raise _Passing(f"answered what is not etcd's JSON: {error}") from error
    assert isinstance(answer, kind)
    return answer


def _refuse(status: int, content: bytes) -> None:
    """Raise what an answer other than 200 means."""
    if status == 404 and not content.startswith(b"{"):
        raise Refused(12, "this is no etcd with the v3 JSON gateway (3.4 or newer)")
    fault = decode(content, Fault)
    message = fault.message or fault.error
    if fault.code in _FINAL or (fault.code == _EXHAUSTED and "too many" not in message):
        raise Refused(fault.code, message)
    raise _Passing(message)


class EtcdClient:
    """Connections to the members, kept between calls."""

    def __init__(self, options: EtcdOptions) -> None:
        """Raises OSError (ssl.SSLError is one) for certificate files that cannot be used."""
        self._members = options.members()
        self._timeout_s = options.request_timeout_s
        tls = self._members[0].tls
        self._tls = tls_context(options.ca_file, options.cert_file, options.key_file) if tls else None
        self._slots = asyncio.Semaphore(options.connections)
        self._current = 0
        self._idle: dict[Endpoint, list[Connection]] = {member: [] for member in self._members}
        self._closed = False
        self._healthy = True
        # Called with the member that just failed a call: whoever else depends on it may look.
        self.on_failure: Callable[[Endpoint], None] = lambda _: None

    @property
    def member(self) -> Endpoint:
        """The member that calls go to."""
        return self._members[self._current]

    def after(self, member: Endpoint) -> Endpoint:
        """The next member to try."""
        return self._members[(self._members.index(member) + 1) % len(self._members)]

    async def call(self, path: str, request: Any, kind: type[T], *, deadline: float) -> tuple[T, bool]:
        """The answer, and whether an earlier sending was left unanswered. `deadline` is in loop time.

        Raises Refused, Unanswered.
        """
        body = msgspec.json.encode(request)
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise Unanswered("no connection became free", sent=False) from None
        try:
            return await self._until_answered(path, body, kind, deadline)
        finally:
            self._slots.release()

    async def _until_answered(self, path: str, body: bytes, kind: type[T], deadline: float) -> tuple[T, bool]:
        loop = asyncio.get_running_loop()
        tries, sent, pause = 0, False, _PAUSE_S
        while True:
            member = self.member
            attempt = _Attempt(self, member)
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + self._timeout_s)):
                    answer = await attempt.run(path, body, kind)
                self._healthy = True
                return answer, sent
            except Refused as refusal:
                refusal.sent = sent
                raise
            except (OSError, _Passing, TimeoutError) as error:
                problem = f"{member}: {error or 'did not answer in time'}"
            tries, sent = tries + 1, sent or attempt.sent
            self._leave(member, problem)
            if tries % len(self._members) == 0:
                await asyncio.sleep(min(pause, max(0.0, deadline - loop.time())))
                pause = min(2 * pause, _PAUSE_MAX_S)
            if self._closed or loop.time() >= deadline:
                raise Unanswered(problem, sent=sent)

    def _leave(self, member: Endpoint, problem: str) -> None:
        """Send the next calls elsewhere, unless another call has already seen to that."""
        for connection in self._idle[member]:
            connection.close()
        self._idle[member].clear()
        if self.member == member:
            self._current = (self._current + 1) % len(self._members)
            # One line for an outage, however many calls and members it takes until one is answered.
            level, self._healthy = logging.WARNING if self._healthy else logging.DEBUG, False
            log.log(level, "etcd call failed problem=%s next=%s", problem, self.member)
        self.on_failure(member)

    async def probe(self, member: Endpoint, path: str, request: Any, kind: type[T]) -> T:
        """One call to one member, whatever the others do. Raises OSError, TimeoutError, Refused, Unanswered."""
        async with asyncio.timeout(self._timeout_s):
            try:
                return await _Attempt(self, member).run(path, msgspec.json.encode(request), kind)
            except _Passing as problem:
                raise Unanswered(f"{member}: {problem}", sent=True) from problem

    async def dial(self, member: Endpoint) -> Connection:
        """A new connection that the caller owns. Raises OSError, TimeoutError."""
        async with asyncio.timeout(self._timeout_s):
            return await Connection.open(member, self._tls)

    async def borrow(self, member: Endpoint) -> Connection:
        """A kept connection or a new one. Raises OSError."""
        idle = self._idle[member]
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return await Connection.open(member, self._tls)

    def give_back(self, connection: Connection) -> None:
        if connection.usable and not self._closed:
            self._idle[connection.endpoint].append(connection)
        else:
            connection.close()

    def close(self) -> None:
        self._closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
            idle.clear()


class _Attempt:
    """One sending to one member; `sent` from the moment it may have been received."""

    def __init__(self, client: EtcdClient, member: Endpoint) -> None:
        self._client = client
        self._member = member
        self.sent = False

    async def run(self, path: str, body: bytes, kind: type[T]) -> T:
        connection = await self._client.borrow(self._member)
        try:
            self.sent = True
            status, content = await connection.request(path, body)
        finally:
            self._client.give_back(connection)
        if status != 200:
            _refuse(status, content)
        return decode(content, kind)

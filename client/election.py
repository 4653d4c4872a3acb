"""Leader election by Lease: of several copies of a component one works, and the others stand by.

The rules are those of client-go's leader election. The holder renews its lease every ``retry period``; another one
takes it when it has not seen a renewal for the ``lease duration``, by its own clock. The holder counts itself out
before that: once the ``renew deadline`` has passed since it last asked for a renewal that was granted, none of its
writes leaves the process (``check``), whether or not its threads have noticed.
"""

import logging
import threading
from dataclasses import dataclass, field

import msgspec

from api.codec import decode, encode
from api.coordination import Lease, LeaseSpec
from api.errors import AlreadyExists, ApiError, NotFound
from api.meta import ObjectMeta
from api.resources import resource_of
from api.scalars import now_micro
from client.clock import Clock, boot_time
from client.identity import has_died, own_identity
from client.transport import Transport, Unreachable

log = logging.getLogger(__name__)


class NotLeading(Unreachable):
    """The write was not sent: another copy may be leading by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionSettings:
    """The settings of a component that elects a leader; its own ``Config`` inherits them."""

    leader_elect: bool = field(
        default=True, metadata={"help": "work only while holding the lease, so that several copies can run"}
    )
    leader_elect_lease_duration_s: float = field(
        default=12.0, metadata={"help": "seconds without a renewal after which another copy takes the lease"}
    )
    leader_elect_renew_deadline_s: float = field(
        default=8.0, metadata={"help": "seconds without a renewal after which the holder itself stops"}
    )
    leader_elect_retry_period_s: float = field(
        default=2.0, metadata={"help": "seconds between renewals, and between tries to get the lease"}
    )
    leader_elect_resource_namespace: str = field(default="kube-system", metadata={"help": "namespace of the lease"})

    def election_problems(self) -> list[str]:
        problems: list[str] = []
        if self.leader_elect_retry_period_s <= 0:
            problems.append("leader-elect-retry-period-s: must be greater than 0")
        if self.leader_elect_renew_deadline_s <= 1.2 * self.leader_elect_retry_period_s:
            problems.append("leader-elect-renew-deadline-s: must be greater than 1.2 retry periods")
        if self.leader_elect_lease_duration_s <= self.leader_elect_renew_deadline_s:
            problems.append("leader-elect-lease-duration-s: must be greater than the renew deadline")
        return problems


class Election:
    """One candidate for the lease ``name``. ``transport`` is its own: its writes are never held back."""

    def __init__(
        self,
        transport: Transport,
        name: str,
        settings: ElectionSettings,
        *,
        identity: str = "",
        clock: Clock = boot_time,
    ) -> None:
        self.identity = identity or own_identity()
        self._transport = transport
        self._name = name
        self._settings = settings
        self._namespace = settings.leader_elect_resource_namespace
        self._clock = clock
        self._lease: Lease | None = None
        self._changed_at = 0.0
        self._until = 0.0
        self._asking = threading.Lock()

    @property
    def leads(self) -> bool:
        """Whether nobody else can have the lease yet."""
        return self._clock() < self._until

    def check(self) -> None:
        """Before each write. Raises NotLeading."""
        if not self.leads:
            raise NotLeading(f"the lease {self._name} is not held")

    def acquire(self, stop: threading.Event) -> bool:
        """Waits until the lease is held; False when ``stop`` came first."""
        while not stop.is_set():
            if self._try():
                log.info("leading lease=%s identity=%s", self._name, self.identity)
                return True
            stop.wait(self._settings.leader_elect_retry_period_s)
        return False

    def hold(self, stop: threading.Event, ended: threading.Event) -> None:
        """Renews until the lease is lost or ``stop`` is set; then sets ``ended``."""
        renewing = threading.Thread(target=self._renew, args=(ended,), name=f"lease-{self._name}", daemon=True)
        renewing.start()
        while not ended.is_set() and not stop.wait(max(min(self._until - self._clock(), 1.0), 0.01)):
            if not self.leads:
                log.error("lease lost lease=%s identity=%s", self._name, self.identity)
                break
        ended.set()
        renewing.join(self._timeout_s)

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(self._settings.leader_elect_retry_period_s):
            with self._asking:
                # What has ended must not be begun again.
                if not ended.is_set():
                    self._try()

    def release(self) -> None:
        """Lets another copy begin at once, if the lease is still held."""
        with self._asking:
            self._release()

    def _release(self) -> None:
        lease = self._lease
        if not self.leads or lease is None:
            return
        self._until = 0.0
        lease.spec.holder_identity, lease.spec.lease_duration_seconds = "", 1
        lease.spec.renew_time = now_micro()
        try:
            self._send("PUT", lease)
        except (ApiError, Unreachable) as error:
            log.warning("lease not given back lease=%s error=%s", self._name, error)

    def _try(self) -> bool:
        """Gets the lease or renews it; whether it is held."""
        began = self._clock()
        try:
            granted = self._ask()
        except (ApiError, Unreachable) as error:
            log.warning("lease not asked for lease=%s error=%s", self._name, error)
            self._lease = None
            return False
        self._until = began + self._settings.leader_elect_renew_deadline_s if granted else 0.0
        return granted

    def _ask(self) -> bool:
        lease = self._lease if self.leads else None
        if lease is None:
            try:
                lease = self._see(self._send("GET"))
            except NotFound:
                return self._create()
        if not self._is_free(lease):
            return False
        self._claim(lease.spec)
        self._lease = self._send("PUT", lease)
        return True

    def _create(self) -> bool:
        lease = Lease(metadata=ObjectMeta(name=self._name, namespace=self._namespace))
        self._claim(lease.spec)
        lease.spec.lease_transitions = 0
        try:
            self._lease = self._send("POST", lease)
        except AlreadyExists:
            return False
        return True

    def _see(self, lease: Lease) -> Lease:
        """Notes when the lease last changed, by the own clock."""
        before = self._lease
        if before is None or before.metadata.resource_version != lease.metadata.resource_version:
            self._changed_at = self._clock()
        self._lease = lease
        return lease

    def _is_free(self, lease: Lease) -> bool:
        holder = lease.spec.holder_identity
        if not holder or holder == self.identity or has_died(holder):
            return True
        duration_s = lease.spec.lease_duration_seconds or self._settings.leader_elect_lease_duration_s
        return self._clock() - self._changed_at > duration_s

    def _claim(self, spec: LeaseSpec) -> None:
        moment = now_micro()
        if spec.holder_identity != self.identity:
            spec.acquire_time, spec.lease_transitions = moment, (spec.lease_transitions or 0) + 1
        spec.holder_identity, spec.renew_time = self.identity, moment
        spec.lease_duration_seconds = max(round(self._settings.leader_elect_lease_duration_s), 1)

    @property
    def _timeout_s(self) -> float:
        return self._settings.leader_elect_renew_deadline_s / 2

    def _send(self, method: str, lease: Lease | None = None) -> Lease:
        resource = resource_of(Lease)
        path = resource.path(self._namespace, "" if method == "POST" else self._name)
        if lease is not None:
            lease.api_version, lease.kind = resource.api_version, resource.kind
        body = encode(lease) if lease is not None else None
        answer = self._transport.request(method, path, body=body, timeout_s=self._timeout_s)
        try:
            return decode(answer, Lease)
        except msgspec.MsgspecError as error:
            raise Unreachable(f"an answer that is no Lease: {error}") from error

"""The scheduler at work: one decision at a time on a picture of the cluster that counts what is about to be bound;
bindings and reports are written meanwhile, several at once.

A binding is refused by the API when the pod has a node already, so no pod is bound twice, whatever is decided here. A
binding whose answer was lost keeps its room until the pod's turn comes again.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api.core import Pod
from api.errors import ApiError, Conflict, NotFound
from client import Client, EventRecorder, Informer, Unreachable
from master.scheduler.change import Change
from master.scheduler.cluster import Cluster
from master.scheduler.companions import Companions
from master.scheduler.configuration import DEFAULT_NAME
from master.scheduler.decision import Choice
from master.scheduler.extenders import Asked, Extender, ExtenderError
from master.scheduler.metrics import ERROR, SCHEDULED, UNSCHEDULABLE, SchedulerMetrics
from master.scheduler.picture import Picture
from master.scheduler.preemption import Plan
from master.scheduler.profile import Profile
from master.scheduler.queueing import Entry, SchedulingQueue
from master.scheduler.reports import GATED, Reports
from master.scheduler.settling import Settling
from master.scheduler.terms import terms_by_default
from master.scheduler.views import NOTHING_NEAR
from master.scheduler.volumes import beside
from master.scheduler.wish import Wish
from master.writers import Writers

log = logging.getLogger(__name__)

# Writes under way at once: enough to keep the API busy while one waits for the disk, few enough for one interpreter.
_WRITERS = 8


class _Desk:
    """What decides and tells for the pods of one ``spec.schedulerName``."""

    def __init__(
        self, client: Client, recorder: EventRecorder, name: str, profile: Profile, cluster: Cluster, picture: Picture
    ) -> None:
        self.reports = Reports(client, recorder, name)
        self.metrics = SchedulerMetrics(name)
        self.settling = Settling(client, cluster, picture, profile, self.metrics)
        self.default_spread = profile.tuning.default_spread


class Scheduler:
    """Places the pods of one or several ``spec.schedulerName``, each by its profile, on one picture of the cluster.

    ``record`` makes what records events in a scheduler's name.
    """

    def __init__(
        self,
        client: Client,
        profiles: Mapping[str, Profile],
        record: Callable[[str], EventRecorder],
        extenders: Sequence[Extender] = (),
    ) -> None:
        self._started = False
        self._client = client
        self._extenders = extenders
        self._cluster = Cluster()
        first = next(iter(profiles.values()))
        self._queue = SchedulingQueue(initial_s=first.initial_backoff_s, max_s=first.max_backoff_s)
        self._writers = Writers(_WRITERS, "scheduler-writer")
        self.picture = Picture(
            client, self._cluster, self._queue, scheduler_names=frozenset(profiles), gated=self._report_gate
        )
        self._companions = Companions(client)
        # What no profile asks for is not followed.
        spreads = any(profile.tuning.default_spread for profile in profiles.values())
        companions = self._companions.informers if spreads else ()
        self._informers: tuple[Informer[Any], ...] = (*self.picture.informers, *companions)
        self._desks = {
            name: _Desk(client, record(name), name, profile, self._cluster, self.picture)
            for name, profile in profiles.items()
        }
        next(iter(self._desks.values())).metrics.watch(
            lambda: {**self._queue.pending(), "gated": self.picture.gated_pods()},
            {
                "nodes": lambda: len(self._cluster.nodes),
                "pods": lambda: len(self.picture.pods.items()),
                "assumed_pods": lambda: len(self.picture.assumed),
            },
        )
        self._thread = threading.Thread(target=self._work, name="scheduler", daemon=True)

    @property
    def problems(self) -> list[str]:
        """What does not run and should."""
        return ["scheduling has ended"] if self._started and not self._thread.is_alive() else []

    def schedule(self, stop: threading.Event) -> None:
        """Until ``stop`` is set."""
        for informer in self._informers:
            informer.start()
        try:
            while not all(informer.wait_synced(0.5) for informer in self._informers):
                if stop.is_set():
                    return
            log.info("scheduler started")
            self._thread.start()
            self._started = True
            stop.wait()
        finally:
            self._started = False
            self._queue.close()
            for informer in self._informers:
                informer.stop()
            if self._thread.ident is not None:
                self._thread.join(5)
            self._writers.stop()

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None:
            try:
                self._schedule(entry)
            except Exception:
                # The door of this thread: one odd pod must not stop all others.
                log.exception("scheduling broke pod=%s/%s", *entry.key)
                next(iter(self._desks.values())).metrics.attempted(ERROR, 0.0)
                self._queue.failed(entry)

    def _schedule(self, entry: Entry) -> None:
        pod = self.picture.waiting(*entry.key, entry.uid)
        if pod is None:
            self._queue.remove(entry.key)
            return
        began = time.perf_counter()
        desk = self._desk_of(pod)
        wish = Wish.of(pod)
        self._spread_by_default(desk, pod, wish)
        if wish.shape.claims:
            with desk.metrics.volumes("predicate"):
                wish.volumes = self.picture.volumes_of(wish)
        asked = Asked(self._extenders, wish)
        with self.picture.lock:
            if self._cluster.node_of(entry.uid):
                # The answer to its binding was lost, and the watch does not show it bound.
                self._cluster.remove(entry.uid)
            if wish.volumes.alone:
                wish.volumes = beside(wish.volumes, self._cluster.users(wish, wish.volumes.alone))
            nominated = self._cluster.nominated_to(entry.uid)
            if not asked.choosing:
                settled = desk.settling.settle(wish)
        if asked.choosing:
            try:
                settled = desk.settling.settle_with(asked, wish)
            except (ExtenderError, ApiError, Unreachable) as error:
                self._not_asked(desk, entry, wish, error, began)
                return
        choice, way = settled.choice, settled.way
        desk.metrics.decided(time.perf_counter() - began)
        if choice.node and wish.volumes.delayed:
            self._writers.put(lambda: self._bind_claims(desk, entry, wish, choice.node, settled.bindings))
        elif choice.node:
            self._writers.put(lambda: self._bind(desk, entry, wish, choice.node, began, asked.binding))
        else:
            desk.metrics.attempted(UNSCHEDULABLE, time.perf_counter() - began)
            if way.node:
                desk.metrics.preempted(way.victims)
            self._refuse(desk, entry, wish, pod, choice, way, settled.lost, had_nomination=bool(nominated))

    def _spread_by_default(self, desk: _Desk, pod: Pod, wish: Wish) -> None:
        """A pod without constraints gets those of the configuration, where something selects it."""
        if desk.default_spread and not wish.shape.constraints and (companions := self._companions.of(pod)):
            wish.terms = terms_by_default(wish.terms, desk.default_spread, wish.namespace, wish.labels, companions)

    def _not_asked(self, desk: _Desk, entry: Entry, wish: Wish, error: Exception, began: float) -> None:
        """The pod comes again after its back-off; why it waits is told once."""
        wish.view = NOTHING_NEAR
        delay_s = self._queue.failed(entry)
        desk.metrics.attempted(ERROR, time.perf_counter() - began)
        log.warning("pod not decided pod=%s/%s error=%s retry_s=%.2f", *entry.key, error, delay_s)
        if entry.said != str(error):
            entry.said = str(error)
            self._writers.put(lambda: self._report(desk.reports, entry, wish, str(error), None, Plan(), []))

    def _desk_of(self, pod: Pod) -> _Desk:
        """The picture shows none but pods of these schedulers."""
        return self._desks[pod.spec.scheduler_name or DEFAULT_NAME]

    def _bind(self, desk: _Desk, entry: Entry, wish: Wish, node: str, began: float, extender: Extender | None) -> None:
        uid = entry.uid
        try:
            if extender is not None:
                extender.bind(wish, node)
            else:
                self._client.bind(wish.name, wish.namespace, node, uid=uid)
        except (Conflict, NotFound) as error:
            # Bound by another, on its way out, or gone: the watch tells which.
            with self.picture.lock:
                if self._cluster.wish_of(uid) is wish:
                    self._cluster.remove(uid)
            self._queue.happened(Change.POD_GONE)
            desk.metrics.attempted(ERROR, time.perf_counter() - began)
            log.info("pod not placed pod=%s/%s error=%s", *entry.key, error)
            self._queue.failed(entry)
            return
        except (ApiError, Unreachable, ExtenderError) as error:
            delay_s = self._queue.failed(entry)
            desk.metrics.attempted(ERROR, time.perf_counter() - began)
            log.warning("pod not placed pod=%s/%s error=%s retry_s=%.2f", *entry.key, error, delay_s)
            return
        self.picture.assume(wish)
        self._queue.end(entry)
        desk.metrics.attempted(SCHEDULED, time.perf_counter() - began)
        desk.metrics.placed(entry.attempts, self._queue.waited_s(entry))
        desk.reports.placed(wish, node)
        log.info("pod placed pod=%s/%s node=%s", *entry.key, node)

    def _bind_claims(self, desk: _Desk, entry: Entry, wish: Wish, node: str, bindings: dict[str, str]) -> None:
        """Says for which volumes, or for which node, the claims are. What comes of it is a change of a claim."""
        try:
            with desk.metrics.volumes("bind"):
                for claim in (one.claim for one in wish.volumes.delayed):
                    desk.reports.reserved(claim, bindings.get(claim.metadata.name, ""), node, self.picture.volumes)
        except (ApiError, Unreachable) as error:
            delay_s = self._queue.failed(entry)
            log.warning("claims not bound pod=%s/%s error=%s retry_s=%.2f", *entry.key, error, delay_s)
            return
        log.info("claims are bound for pod=%s/%s node=%s", *entry.key, node)
        self._queue.refused(entry, Change.VOLUME)

    def _refuse(
        self,
        desk: _Desk,
        entry: Entry,
        wish: Wish,
        pod: Pod,
        choice: Choice,
        way: Plan,
        lost: list[Wish],
        *,
        had_nomination: bool,
    ) -> None:
        message = " ".join(part for part in (choice.reason, way.reason) if part)
        nominated = way.node or (None if way.keeps or not had_nomination else "")
        told, entry.said = entry.said or _said(pod), message
        if message != told or nominated is not None:
            self._writers.put(lambda: self._report(desk.reports, entry, wish, message, nominated, way, lost))
        self._queue.refused(entry, choice.helped_by | Change.POD_GONE if way.node else choice.helped_by)

    def _report(
        self,
        reports: Reports,
        entry: Entry,
        wish: Wish,
        message: str,
        nominated: str | None,
        way: Plan,
        lost: list[Wish],
    ) -> None:
        """Deletes victims, and tells why the pod waits. What fails is done at the next try."""
        try:
            for victim in way.victims:
                try:
                    reports.preempted(victim, wish, way.node)
                except (Conflict, NotFound):
                    # It has gone by itself.
                    continue
            for one in lost:
                reports.nomination_lost(one)
            reports.refused(wish, message, nominated=nominated)
        except (Conflict, NotFound) as error:
            log.info("refusal not told pod=%s/%s error=%s", *entry.key, error)
        except (ApiError, Unreachable) as error:
            entry.said = ""
            log.warning("refusal not told pod=%s/%s error=%s", *entry.key, error)

    def _report_gate(self, pod: Pod) -> None:
        if _said(pod) != GATED:
            reports = self._desk_of(pod).reports
            self._writers.put(lambda: self._gate(reports, Wish.of(pod)))

    def _gate(self, reports: Reports, wish: Wish) -> None:
        try:
            reports.gated(wish)
        except (ApiError, Unreachable) as error:
            log.warning("gate not told pod=%s/%s error=%s", wish.namespace, wish.name, error)


def _said(pod: Pod) -> str:
    """What its status says about why it has no node."""
    for item in pod.status.conditions:
        if item.type == "PodScheduled" and item.status == "False":
            return item.message
    return ""

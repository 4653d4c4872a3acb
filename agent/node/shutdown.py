"""Ends pods before the machine goes down: those of the system last, each within its own grace and the node's.

The kubelet's way: a lock of logind delays the shutdown; when one begins the node says that it is not ready, pods end,
and the lock is let go. What logind allows at most is a setting of its own (InhibitDelayMaxSec in logind.conf).
https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#graceful-node-shutdown
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.config import Config
from agent.dbus import SYSTEM_BUS
from agent.node.logind import BusError, Logind, logind
from agent.pods.eviction import is_critical
from agent.pods.observed import Leaving
from api import grace
from api.core import Pod

log = logging.getLogger(__name__)

PROBLEM = "node is shutting down"
_TERMINATED = "Pod was terminated in response to imminent node shutdown."
_REJECTED = "Pod was rejected as the node is shutting down."
_RETRY_S = 30.0
_LOOK_S = 0.1
_LAST_REPORTS_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What a shutdown does with pods. running: whether something of a pod runs; leave: it ends; tell: the node's status
    is due."""

    pods: Callable[[], Iterable[Pod]]
    running: Callable[[str], bool]
    leave: Callable[[Pod, Leaving], None]
    tell: Callable[[], None]


class ShutdownWatch:
    """One thread, if a grace is set; asleep until logind says something."""

    def __init__(self, config: Config, hands: Hands, bus: str = SYSTEM_BUS) -> None:
        self._whole_s = config.shutdown_grace_period_s
        self._critical_s = config.shutdown_grace_period_critical_pods_s
        self._hands = hands
        self._bus = bus
        self._stop = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="agent-shutdown", daemon=True)
        self._under_way = False

    @property
    def problem(self) -> str:
        """Why the node is not ready; empty when nothing shuts down."""
        return PROBLEM if self._under_way else ""

    def refuses(self, pod: Pod) -> bool:
        """Whether a pod that has nothing running yet comes too late; it is then told so."""
        over = _is_over(pod) or pod.metadata.deletion_timestamp is not None
        if not self._under_way or over or self._hands.running(pod.metadata.uid):
            return False
        self._hands.leave(pod, Leaving(reason="NodeShutdown", message=_REJECTED, rejected=True))
        return True

    def start(self) -> None:
        if self._whole_s > 0:
            self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        self._stop.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            os.close(self._wake)

    def _run(self) -> None:
        told = ""
        while not self._stop.is_set():
            try:
                with logind(self._bus, self._wake) as manager:
                    told = ""
                    self._serve(manager)
            except BusError as error:
                if str(error) != told:
                    log.warning("a shutdown of the machine will not wait for pods error=%s", error)
                told = str(error)
            except Exception:
                log.exception("shutdowns are followed no more retry_s=%.0f", _RETRY_S)
            self._stop.wait(_RETRY_S)

    def _serve(self, manager: Logind) -> None:
        manager.hold()
        granted_s = min(manager.delay_s(), self._whole_s)
        if granted_s < self._whole_s:
            told = "logind allows less, see InhibitDelayMaxSec allowed_s=%.0f wanted_s=%.0f"
            log.warning(told, granted_s, self._whole_s)
        log.info("a shutdown of the machine waits for pods up_to_s=%.0f", granted_s)
        for begins in manager.signals():
            if begins:
                self._end_pods(granted_s)
                manager.release()
            else:
                self._called_off(manager)

    def _called_off(self, manager: Logind) -> None:
        log.info("the shutdown of the machine is called off")
        self._under_way = False
        self._hands.tell()
        manager.hold()

    def _end_pods(self, whole_s: float) -> None:
        """Ordinary pods have what is not kept for the critical ones."""
        log.warning("the machine shuts down, pods end grace_s=%.0f", whole_s)
        self._under_way = True
        self._hands.tell()
        critical_s = min(self._critical_s, whole_s)
        for critical, grace_s in ((False, whole_s - critical_s), (True, critical_s)):
            group = [pod for pod in self._hands.pods() if is_critical(pod) == critical and not _is_over(pod)]
            for pod in group:
                self._hands.leave(
                    pod, Leaving(reason="Terminated", message=_TERMINATED, grace_s=_grace_s(pod, grace_s))
                )
            self._wait(group, grace_s)
        self._stop.wait(min(_LAST_REPORTS_S, whole_s / 10))

    def _wait(self, group: list[Pod], limit_s: float) -> None:
        until = time.monotonic() + limit_s
        while time.monotonic() < until and any(self._hands.running(pod.metadata.uid) for pod in group):
            if self._stop.wait(_LOOK_S):
                return


def _is_over(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _grace_s(pod: Pod, most_s: float) -> int:
    return min(grace.seconds(pod.spec.termination_grace_period_seconds), int(most_s))

"""The control thread, the source that wakes it, and the health port."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from client import EventRecorder
from netproxy.announcing.announcer import Announcer
from netproxy.changes import Changes
from netproxy.config import Config
from netproxy.dataplane.plane import DataPlaneError
from netproxy.following import Following
from netproxy.health import Health, health_port
from netproxy.losses import Losses
from netproxy.metrics import ProxyMetrics
from netproxy.modes import Mode
from netproxy.portals.commands import PortalError
from netproxy.proxy import Proxy, Trouble
from netproxy.services import Desired
from netproxy.sources import Source
from netproxy.state import State, read_state

log = logging.getLogger(__name__)

GATHER_S = 0.02
"""Changes come in bursts (a service, then its endpoints): one pass for all of them."""
UNSYNCED_CHECK_S = 0.1
TROUBLE_RETRY_S = 5.0
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
JOIN_S = 30.0
LOSS_LOOK_S = 1.0
"""Between two looks at the rules when the kernel tells of deletions; our own changes are among them."""
TOLD_LOOKS = 10
"""So many times rarer are the looks at all of it then; at what the kernel does not tell of they are as frequent."""
SAVE_SHARE = 0.02
"""Part of the time that may be spent on saving the state."""


class Worker:
    """One proxy at work. Without a recorder, events are only logged. ``announcer`` is told what a pass has served."""

    def __init__(
        self,
        config: Config,
        source: Callable[[Changes], Source],
        mode: Callable[[State], Mode],
        recorder: EventRecorder | None = None,
        *,
        announcer: Announcer | None = None,
    ) -> None:
        self._config = config
        self._recorder = recorder
        self._announcer = announcer
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._changes = Changes(self._wake.set)
        self._source = source(self._changes)
        self._following = Following(self._source)
        self._last = read_state(config.state_file)
        self._mode = mode(self._last)
        self._health = Health()
        self._proxy = Proxy(config, self._mode, self._last, on_trouble=self._tell, healthy=self._healthy)
        self._metrics = ProxyMetrics(self._mode, self._changes)
        if announcer is not None:
            announcer.telling.tell = self._assigned
            self._metrics.registry.register(announcer.telling)
        self.server = health_port(
            (config.healthz_bind_address, config.healthz_port),
            health=self._health,
            alive=lambda: self._mode.alive,
            registry=self._metrics.registry,
        )
        self._retry_s = FIRST_RETRY_S
        self._next_check = self._next_whole = self._last_whole = self._next_save = 0.0
        self._losses = Losses(self._lost)
        self._losses_told = self._losses_tried = False
        self._thread = threading.Thread(target=self._run, name="netproxy-control", daemon=True)

    def start(self) -> None:
        """Start all threads."""
        self._proxy.start()
        self.server.start()
        self._source.start()
        self._thread.start()
        log.info(
            "netproxy started mode=%s health_port=%d prefix=%s",
            self._config.proxy_mode,
            self.server.port,
            self._config.chain_prefix,
        )

    def stop(self) -> None:
        """Stop all threads; no more changes first, then no more clients."""
        self._closing.set()
        self._wake.set()
        self._source.stop()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        self.server.stop()
        self._losses.stop()
        self._save_last()
        self._proxy.stop()
        log.info("netproxy stopped, rules stay prefix=%s", self._config.chain_prefix)

    def _save_last(self) -> None:
        try:
            self._proxy.save()
        except OSError as error:
            log.warning("state not saved file=%s error=%s", self._config.state_file, error)

    def _tell(self, trouble: Trouble) -> None:
        """Tell the service's owner what does not work here."""
        service = self._source.service(trouble.namespace, trouble.service)
        if self._recorder is not None and service is not None:
            self._recorder.event(service, "Warning", trouble.reason, trouble.message)

    def _assigned(self, key: tuple[str, str], reason: str, message: str) -> None:
        """Tell the service's owner which node answers for its address."""
        service = self._source.service(*key)
        if self._recorder is not None and service is not None:
            self._recorder.event(service, "Normal", reason, message)

    def _healthy(self) -> bool:
        return self._mode.alive and self._health.synced(time.monotonic())

    def _run(self) -> None:
        wait_s = self._pass(self._last_known) if self._last.services else UNSYNCED_CHECK_S
        while not self._source.synced() and not self._closing.is_set():
            self._closing.wait(min(wait_s, UNSYNCED_CHECK_S))
        wait_s = 0.0
        while not self._closing.is_set():
            self._wake.wait(wait_s)
            self._closing.wait(GATHER_S)
            self._wake.clear()
            if not self._closing.is_set():
                wait_s = self._pass(self._as_told)

    def _last_known(self) -> Desired:
        return self._last.desired

    def _as_told(self) -> Desired:
        return self._following.desired()

    def _pass(self, read: Callable[[], Desired]) -> float:
        """One pass; returns the seconds until the next one when nothing happens."""
        begin, told = time.monotonic(), self._changes.told()
        try:
            desired = read()
            if done := self._proxy.sync(desired):
                log.info("%s", done)
            if self._announcer is not None:
                self._announcer.want(desired)
            self._check(begin)
            save_s = self._save(begin)
        except PortalError as error:
            self._metrics.rule_failures.inc()
            log.error("sync failed error=%s retry_s=%.1f", error, self._retry_s)
            return self._failed()
        except (DataPlaneError, OSError) as error:
            log.error("sync failed error=%s retry_s=%.1f", error, self._retry_s)
            return self._failed()
        except Exception:
            log.exception("sync failed unexpectedly retry_s=%.1f", self._retry_s)
            return self._failed()
        self._retry_s = FIRST_RETRY_S
        self._health.succeeded()
        self._metrics.synced(time.monotonic() - begin)
        if read == self._as_told:
            self._metrics.programmed(self._changes.settle(told))
            self._mode.settle()
        check_s = max(min(self._next_check, self._next_whole) - time.monotonic(), 0.0)
        return min(save_s, check_s, TROUBLE_RETRY_S if self._proxy.has_troubles else math.inf)

    def _failed(self) -> float:
        """Note a failed pass; returns the seconds until the next try."""
        self._health.failed()
        self._metrics.failures.inc()
        wait_s, self._retry_s = self._retry_s, min(self._retry_s * 2, LAST_RETRY_S)
        return wait_s

    def _save(self, now: float) -> float:
        """Save what was served; many services not at every pass: they are written whole. Seconds until it is time."""
        if not self._proxy.unsaved:
            return math.inf
        if now >= self._next_save:
            begin = time.monotonic()
            self._proxy.save()
            self._next_save = now + (time.monotonic() - begin) / SAVE_SHARE
            return math.inf
        return self._next_save - now

    def _check(self, now: float) -> None:
        """Look after what is ours in the kernel, but not at every pass: it reads all the rules."""
        if self._losses_told:
            self._next_whole = min(self._next_whole, self._last_whole + LOSS_LOOK_S)
        if now >= self._next_whole:
            looks = TOLD_LOOKS if self._hears_losses() else 1
            self._losses_told, self._last_whole = False, now
            self._proxy.check()
            self._next_whole = now + self._config.rule_check_s * looks
        elif now >= self._next_check:
            self._proxy.check_untold()
        else:
            return
        self._next_check = now + self._config.rule_check_s

    def _hears_losses(self) -> bool:
        """Whether the kernel tells when rules are deleted; listens from the first look on."""
        if not self._losses_tried:
            chains = self._proxy.chains()
            self._losses_tried = True
            try:
                if chains:
                    self._losses.start(chains)
            except OSError as error:
                log.info("the kernel tells nothing of rules error=%s", error.strerror)
        return self._losses.heard

    def _lost(self) -> None:
        """The kernel told of something deleted."""
        self._losses_told = True
        self._wake.set()

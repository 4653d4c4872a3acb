"""Runs netproxy: informers tell of services and endpoints, a worker brings the node to what they say.

The rule: fail static. It serves what the last one served before the master was heard, goes on while the master is
away, and leaves rules and route in place when it stops; `cleanup` removes them.
"""

from __future__ import annotations

import logging
import resource
import threading
import time
from collections.abc import Callable

from api.core import Endpoints, Service
from client import Client, EventRecorder, Informer
from netproxy.config import Config
from netproxy.dataplane.plane import Clash, DataPlaneError
from netproxy.health import Health, HealthServer
from netproxy.metrics import ProxyMetrics
from netproxy.portals.commands import PortalError
from netproxy.portals.iptables import Portals
from netproxy.proxy import Proxy
from netproxy.services import Wanted
from netproxy.state import StateFile
from netproxy.translate import translate

log = logging.getLogger(__name__)

GATHER_S = 0.02
"""Changes come in bursts (a service, then its endpoints): one pass for all of them."""
UNSYNCED_CHECK_S = 0.1
CLASH_RETRY_S = 5.0
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
JOIN_S = 30.0
STOP_CHECK_S = 60.0


def run(config: Config, stop: threading.Event) -> None:
    """Serve until `stop` is set; raises OSError or KubeconfigError when it cannot start."""
    if config.cleanup:
        for removed in cleanup(config):
            log.info("removed %s", removed)
        return
    _raise_descriptor_limit()
    client = Client.from_kubeconfig(config.kubeconfig, user_agent="steersman-netproxy")
    try:
        with_client(config, client, stop)
    finally:
        client.close()


def with_client(config: Config, client: Client, stop: threading.Event) -> None:
    """Serve what this client's master says."""
    recorder = EventRecorder(client, "kube-proxy", host=config.host)
    try:
        worker = Worker(config, client, recorder)
        try:
            worker.start()
            while not stop.wait(STOP_CHECK_S):
                pass
        finally:
            worker.stop()
    finally:
        recorder.close()


def cleanup(config: Config) -> list[str]:
    """Remove from the host what `run` left there; says what was removed. Raises PortalError."""
    removed = Portals(prefix=config.chain_prefix, cluster_cidr=config.cluster_cidr).cleanup()
    if StateFile(config.state_file).remove():
        removed.append(f"file {config.state_file}")
    return removed


class Worker:
    """The control thread, the informers that wake it, and the health port."""

    def __init__(self, config: Config, client: Client, recorder: EventRecorder) -> None:
        self._config = config
        self._recorder = recorder
        self._services = Informer(client, Service, on_change=self._changed)
        self._endpoints = Informer(client, Endpoints, on_change=self._changed)
        self._proxy = Proxy(config, on_clash=self._clashed)
        self._metrics = ProxyMetrics(self._proxy.plane)
        self._health = Health()
        self.server = HealthServer(
            (config.healthz_bind_address, config.healthz_port),
            health=self._health,
            alive=lambda: self._proxy.plane.alive,
            registry=self._metrics.registry,
        )
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._retry_s = FIRST_RETRY_S
        self._next_check = 0.0
        self._thread = threading.Thread(target=self._run, name="netproxy-control", daemon=True)

    def start(self) -> None:
        """Start all threads."""
        self._proxy.start()
        self.server.start()
        self._services.start()
        self._endpoints.start()
        self._thread.start()
        log.info("netproxy started health_port=%d prefix=%s", self.server.port, self._config.chain_prefix)

    def stop(self) -> None:
        """Stop all threads; no more changes first, then no more clients."""
        self._closing.set()
        self._wake.set()
        self._services.stop()
        self._endpoints.stop()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        self.server.stop()
        self._proxy.stop()
        log.info("netproxy stopped, rules stay prefix=%s", self._config.chain_prefix)

    def _changed(self, _old: object, _new: object) -> None:
        self._wake.set()

    def _clashed(self, clash: Clash) -> None:
        """Tell the service's owner that its node port does not work here."""
        service = self._services.get(clash.name.namespace, clash.name.service)
        if service is not None:
            message = f"node port {clash.node_port} cannot be held on {self._config.host}: {clash.reason}; trying again"
            self._recorder.event(service, "Warning", "NodePortTaken", message)

    def _run(self) -> None:
        wait_s = self._pass(self._last_known) if self._proxy.last_known else UNSYNCED_CHECK_S
        while not self._synced() and not self._closing.is_set():
            self._closing.wait(min(wait_s, UNSYNCED_CHECK_S))
        wait_s = 0.0
        while not self._closing.is_set():
            self._wake.wait(wait_s)
            self._closing.wait(GATHER_S)
            self._wake.clear()
            if not self._closing.is_set():
                wait_s = self._pass(self._as_told)

    def _last_known(self) -> Wanted:
        return self._proxy.last_known

    def _as_told(self) -> Wanted:
        return translate(self._services.items(), self._endpoints.items())

    def _synced(self) -> bool:
        return self._services.synced and self._endpoints.synced

    def _pass(self, read: Callable[[], Wanted]) -> float:
        """One pass; returns the seconds until the next one when nothing happens."""
        begin = time.monotonic()
        try:
            if done := self._proxy.sync(read()):
                log.info("%s", done)
            self._check(begin)
        except (PortalError, DataPlaneError, OSError) as error:
            log.error("sync failed error=%s retry_s=%.1f", error, self._retry_s)
            return self._failed()
        except Exception:
            log.exception("sync failed unexpectedly retry_s=%.1f", self._retry_s)
            return self._failed()
        self._retry_s = FIRST_RETRY_S
        self._health.succeeded()
        self._metrics.failures.set(0)
        self._metrics.last_sync.set_to_current_time()
        self._metrics.sync_duration.observe(time.monotonic() - begin)
        return CLASH_RETRY_S if self._proxy.has_clashes else self._config.rule_check_s

    def _failed(self) -> float:
        """Note a failed pass; returns the seconds until the next try."""
        self._health.failed()
        self._metrics.failures.inc()
        wait_s, self._retry_s = self._retry_s, min(self._retry_s * 2, LAST_RETRY_S)
        return wait_s

    def _check(self, now: float) -> None:
        """Look after the rules, but not at every pass: it reads all of them."""
        if now >= self._next_check:
            self._proxy.check()
            self._next_check = now + self._config.rule_check_s


def _raise_descriptor_limit() -> None:
    """Each connection takes two descriptors: use all that the host grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        log.info("descriptor limit raised from=%d to=%d", soft, hard)

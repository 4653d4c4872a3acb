"""Runs netproxy: a source tells of services and endpoints, a worker brings the node to what they say.

The rule: fail static. It serves what the last one served before the master was heard, goes on while the master is
away, and leaves rules and route in place when it stops; `cleanup` removes them.
"""

from __future__ import annotations

import logging
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from client import Client, EventRecorder
from client.metrics import RequestMetrics
from netproxy.announcing.addresses import Addresses
from netproxy.announcing.announcer import Announcer
from netproxy.collector import collect_seldom
from netproxy.config import Config
from netproxy.endpoints import Here
from netproxy.files import FileSource
from netproxy.handover import from_environment
from netproxy.kernel.mode import Kernel
from netproxy.kernel.nft import NftTable
from netproxy.modes import USERSPACE, Mode
from netproxy.proxy import reserved_ports
from netproxy.sources import ApiSource
from netproxy.state import State, remove_state
from netproxy.userspace import Userspace, portals_of
from netproxy.worker import Worker

log = logging.getLogger(__name__)

STOP_CHECK_S = 60.0


def run(config: Config, stop: threading.Event) -> None:
    """Serve until `stop` is set; raises OSError, KubeconfigError or FileError when it cannot start."""
    if config.cleanup:
        for removed in cleanup(config):
            log.info("removed %s", removed)
        return
    _raise_descriptor_limit()
    collect_seldom()
    if config.services is not None:
        path = config.services
        _work(Worker(config, lambda changes: FileSource(path, Here(node=config.host), changes), mode_of(config)), stop)
        return
    client = Client.from_kubeconfig(config.kubeconfig, user_agent="steersman-netproxy", observer=RequestMetrics())
    try:
        recorder = EventRecorder(client, "kube-proxy", host=config.host)
        try:
            with announcing(config, client) as announcer:
                source = partial(ApiSource, client, config.host)
                _work(Worker(config, source, mode_of(config), recorder, announcer=announcer), stop)
        finally:
            recorder.close()
    finally:
        client.close()


def _work(worker: Worker, stop: threading.Event) -> None:
    try:
        worker.start()
        while not stop.wait(STOP_CHECK_S):
            pass
    finally:
        worker.stop()


@contextmanager
def announcing(config: Config, client: Client) -> Iterator[Announcer | None]:
    """Whom to tell what is served, so that this node may answer for the addresses of load balancers."""
    if not config.load_balancer_pool:
        yield None
        return
    announcer = Announcer(client, node=config.host, chain_prefix=config.chain_prefix, pool=config.load_balancer_pool)
    announcer.start()
    try:
        yield announcer
    finally:
        announcer.stop()


def mode_of(config: Config) -> Callable[[State], Mode]:
    """What makes the mode that is asked for from the last state. Rules of the other mode, of an earlier start, go."""

    handover = from_environment()

    def make(last: State) -> Mode:
        userspace = config.proxy_mode == USERSPACE
        other = NftTable(config.chain_prefix).remove() if userspace else portals_of(config).remove_rules()
        for removed in other:
            log.info("removed what another mode left %s", removed)
        return Userspace(config, last, handover) if userspace else Kernel(config, handover)

    return make


def cleanup(config: Config) -> list[str]:
    """Remove from the host what `run` left there; says what was removed. Raises PortalError, OSError."""
    removed = portals_of(config).cleanup() + NftTable(config.chain_prefix).remove()
    removed += [f"address {address}" for address in Addresses(config.chain_prefix).remove()]
    if reserved_ports(config).restore():
        removed.append("reserved ports")
    if remove_state(config.state_file):
        removed.append(f"file {config.state_file}")
    return removed


def _raise_descriptor_limit() -> None:
    """Each connection takes two descriptors: use all that the host grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        log.info("descriptor limit raised from=%d to=%d", soft, hard)

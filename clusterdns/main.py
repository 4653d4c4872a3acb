"""Runs clusterdns: the address, the server, and the informers that feed it.

The rule: fail static. It answers from the last known names before the master has been heard, keeps answering
while the master is away, and leaves the address in place when it stops.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from api.core import Endpoints, Service
from api.discovery import EndpointSlice
from api.meta import Object
from client import Client, Informer
from client.httpport import Answer, HttpPort, by_path
from client.metrics import RequestMetrics
from client.showing import exposition
from clusterdns.config import Config
from clusterdns.keeper import AddressKeeper
from clusterdns.link import ensure_address, remove_address
from clusterdns.metrics import DnsCollector, shown
from clusterdns.objects import SERVICE_LABEL, kept_endpoints, kept_service, kept_slice, service_names
from clusterdns.records import ServiceNames
from clusterdns.service import DnsService
from clusterdns.sync import NameSync
from clusterdns.zone import Key

log = logging.getLogger(__name__)

SYNC_CHECK_S = 0.2  # until the informers hold everything
_BY_SERVICE = "service"
SWITCH_S = 0.0005
"""How long a thread that works (on many changed services) may keep the one that answers from the interpreter;
Python's own 5 ms are ten times that, at each batch of questions."""


def run(config: Config, stop: threading.Event) -> None:
    """Serve until `stop` is set; raises LinkError, OSError or KubeconfigError when it cannot start."""
    sys.setswitchinterval(SWITCH_S)
    client = Client.from_kubeconfig(config.kubeconfig, user_agent="steersman-dns", observer=RequestMetrics())
    try:
        with _kept_address(config):
            _serve(config, client, stop)
    finally:
        client.close()


def cleanup(config: Config) -> list[str]:
    """Remove from the host what `run` left there; says what was done, a sentence each."""
    done = []
    if config.interface:
        done.append(remove_address(config.interface, config.listen_address))
    if config.state_file.exists():
        config.state_file.unlink()
        done.append(f"file {config.state_file} removed")
    return done


@contextmanager
def _kept_address(config: Config) -> Iterator[None]:
    """The address in place while this lasts, and after it; nothing where no interface is named."""
    if not config.interface:
        yield
        return
    keeper = AddressKeeper(config.interface, config.listen_address)  # hears before it is there: no removal is missed
    try:
        log.info("address ready: %s", ensure_address(config.interface, config.listen_address))
        keeper.start()
        yield
    finally:
        keeper.stop()


def _serve(config: Config, client: Client, stop: threading.Event) -> None:
    dns = DnsService(config)
    feed = _Feed(client, dns, config)
    doors: list[HttpPort] = []
    try:
        doors += _doors(config, dns)
        feed.start()
        dns.start()
        for door in doors:
            door.start()
        log.info("dns started address=%s port=%d domain=%s", config.listen_address, dns.port, config.domain)
        while not feed.try_sync() and not stop.wait(SYNC_CHECK_S):
            pass
        stop.wait()
    finally:
        for door in doors:
            door.stop()
        feed.stop()
        dns.stop()
        log.info("dns stopped address=%s", config.listen_address)


def _doors(config: Config, dns: DnsService) -> list[HttpPort]:
    """The ports that are asked for, each with its one path, as CoreDNS has them. Raises OSError when one is taken.

    Health and readiness stand on the address of the names: who asks for them is on this host. Metrics are for others.
    """
    registry = shown(DnsCollector(dns.counts, config.listen_address, dns.port, dns.cache.entries))
    wanted: list[tuple[str, int, str, Callable[[], Answer]]] = [
        (config.metrics_address, config.metrics_port, "/metrics", partial(exposition, registry)),
        (config.listen_address, config.health_port, "/health", lambda: _word(well=dns.alive)),
        (config.listen_address, config.ready_port, "/ready", lambda: _word(well=dns.zone.synced)),
    ]
    made: list[HttpPort] = []
    try:
        for address, port, path, answer in wanted:
            if port:
                made.append(HttpPort(address, port, by_path({path: answer}), name=f"dns{path}"))
    except OSError:
        for door in made:
            door.stop()
        raise
    return made


def _word(*, well: bool) -> Answer:
    """CoreDNS' words: the names of what is not ready yet."""
    return Answer(HTTPStatus.OK, b"OK") if well else Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"kubernetes")


class _Feed:
    """The informers and the thread that turns what they hold into names."""

    def __init__(self, client: Client, dns: DnsService, config: Config) -> None:
        self._services = Informer(client, Service, on_change=self._changed, keep=kept_service)
        self._endpoints = Informer(client, Endpoints, on_change=self._changed, keep=kept_endpoints)
        self._slices = Informer(client, EndpointSlice, on_change=self._slice_changed, optional=True, keep=kept_slice)
        self._slices.add_index(_BY_SERVICE, lambda one: ["/".join(_service_of(one))])
        self._names = NameSync(dns.zone, self._lookup, state_file=config.state_file)

    def start(self) -> None:
        self._names.restore()
        self._names.start()
        self._services.start()
        self._endpoints.start()
        self._slices.start()

    def stop(self) -> None:
        self._services.stop()
        self._endpoints.stop()
        self._slices.stop()
        self._names.stop()

    def try_sync(self) -> bool:
        """Whether all informers hold everything; tells the zone so."""
        if not (self._services.synced and self._endpoints.synced and self._slices.synced):
            return False
        self._names.all_listed({_key(service) for service in self._services.items()})
        return True

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self._names.changed(_key(each) for each in (old, new) if each is not None)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._names.changed(_service_of(each) for each in (old, new) if each is not None)

    def _lookup(self, key: Key) -> ServiceNames | None:
        service = self._services.get(*key)
        if service is None:
            return None
        return service_names(service, self._slices.indexed(_BY_SERVICE, "/".join(key)), self._endpoints.get(*key))


def _key(each: Object) -> Key:
    return each.metadata.namespace, each.metadata.name


def _service_of(one: EndpointSlice) -> Key:
    return one.metadata.namespace, one.metadata.labels.get(SERVICE_LABEL, "")

"""One apiserver: its parts, put together and taken apart in the order that loses nothing.

Start: state, cache, what must be there, then the listeners. Stop: no new connections, what is in flight ends, watches
end cleanly; then the store, which makes every accepted write durable before it closes.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from api.core import Pod, Service
from api.errors import Conflict, NotFound
from api.resources import resource_of
from master.apiserver.admission.quota_books import Books
from master.apiserver.admission.quota_ledger import QuotaLedger
from master.apiserver.admission.quota_status import QuotaStatus
from master.apiserver.admission.steps import chain_of
from master.apiserver.allocators import Addresses, Numbers
from master.apiserver.authentication import Authenticator
from master.apiserver.authentication.bootstrap_tokens import BootstrapTokens
from master.apiserver.authentication.key_file import signing_key
from master.apiserver.authentication.service_accounts import ServiceAccountTokens
from master.apiserver.authorization.aggregation import Aggregation
from master.apiserver.authorization.authorizer import Authorizer
from master.apiserver.authorization.grants import Grants
from master.apiserver.authorization.reconciling import reconcile
from master.apiserver.backend import Backend
from master.apiserver.bootstrap import announce, bootstrap
from master.apiserver.cache import Cache
from master.apiserver.claims import SharedNumbers, SoleMaster
from master.apiserver.config import Config, node_ports
from master.apiserver.discovery import Discovery
from master.apiserver.documents import Documents
from master.apiserver.event_expiry import EventExpiry
from master.apiserver.handler import Handler
from master.apiserver.health import Health
from master.apiserver.http.limits import Limits
from master.apiserver.http.server import Server
from master.apiserver.http.tls import TlsFiles
from master.apiserver.identity import OpenIdDocuments
from master.apiserver.inflight import InFlight
from master.apiserver.masters import Masters
from master.apiserver.metrics import Metrics
from master.apiserver.node_client import NodeClient, NodeTls
from master.apiserver.plain_port import with_all_rights
from master.apiserver.registry import REACH_S, Registry
from master.apiserver.replicas import Replicas
from master.apiserver.service_numbers import ServiceNumbers
from master.apiserver.storage import new_store
from master.store.contract import StoreError

if TYPE_CHECKING:
    from master.apiserver.authentication.jwt import SigningKey

log = logging.getLogger(__name__)

_EXPIRY_ROUND_S = 60.0
_TRIES = 8
_YOUNG_OBJECTS = 20_000
# How often the youngest are looked at until their survivors are, all at once: after twenty rounds that took 120 ms of
# processor with 1,000 watching nodes, and every request waited for it.
_ROUNDS = 4
# A watch of this prefix brings nothing but its end.
_NEVER_WRITTEN = "/never-written/"


class Apiserver:
    """Start it, use it, stop it; all on one event loop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = new_store(config)
        self.cache = Cache()
        shared = bool(config.etcd_servers)
        self._registry = Registry(self._store, self.cache, reach_s=REACH_S if shared else 0.0)
        first, last = node_ports(config.service_node_port_range)
        numbers = ServiceNumbers(Addresses(config.service_cluster_ip_range), Numbers(first, last))
        self._grants = Grants(self.cache)
        self._aggregation = Aggregation(self._registry)
        self._books = Books(self.cache)
        self._quota_status = QuotaStatus(self._registry, self._books)
        self._ledger = QuotaLedger(self._registry, self._books) if shared else None
        self.access = Authorizer(self._grants)
        self.tokens = ServiceAccountTokens(self.cache, _signing_key(config), issuer=_issuer(config))
        self._nodes = NodeClient(_node_tls(config))
        admission = chain_of(self.cache, self.access, self._books, self._ledger)
        self._backend = Backend(
            self._registry,
            numbers,
            SharedNumbers(self._registry, numbers) if shared else SoleMaster(numbers),
            self._nodes,
            Authenticator(self.tokens, BootstrapTokens(self.cache)),
            self.access,
            admission,
            config.watch_queue,
            Replicas(lambda: admission.version(Pod)),
        )
        self.event_expiry = EventExpiry(self._registry, ttl_s=config.event_ttl_s, round_s=_EXPIRY_ROUND_S)
        self._http: Server | None = None
        self._plain: Server | None = None
        self.masters: Masters | None = None
        self._state = "starting"

    @property
    def port(self) -> int:
        """The TLS port, once started."""
        assert self._http is not None
        return self._http.port

    @property
    def plain_port(self) -> int:
        """The port without TLS, when there is one."""
        assert self._plain is not None
        return self._plain.plain_port

    async def start(self) -> None:
        """Raises StoreUnusable, OSError; then nothing stays open."""
        await self._store.open()
        try:
            self._take_over()
            await self._backend.claims.start()
            await _again(lambda: reconcile(self._registry))
            self._aggregation.start()
            self._quota_status.start()
            await self._listen()
        except BaseException:
            await self.stop()
            raise
        self._state = ""
        log.info("serving port=%d revision=%d", self.port, self.cache.revision)

    def reload_certificates(self) -> None:
        """Read the TLS files again, for new connections. Raises OSError and keeps the old ones when they do not fit."""
        assert self._http is not None
        self._http.reload_certificates()
        self._nodes.reload()

    @property
    def fault(self) -> str:
        """Why the store takes no writes; empty while it does."""
        return self._store.fault

    async def broken(self) -> None:
        """Returns when the store can never be used again without a new start (etcd was restored, or wiped)."""
        async for _ in self._store.watch(_NEVER_WRITTEN, None):
            log.error("a key was written that nobody writes prefix=%s", _NEVER_WRITTEN)

    async def stop(self) -> None:
        """Ends cleanly; may be called after a start that failed."""
        self._state = "stopping"
        if self.masters is not None:
            await self.masters.stop()
        servers = [server for server in (self._http, self._plain) if server is not None]
        await asyncio.gather(*(server.stop(self._config.shutdown_grace_s) for server in servers))
        await self._quota_status.stop()
        if self._ledger is not None:
            await self._ledger.stop()
        await self._aggregation.stop()
        await self._backend.claims.stop()
        await self.event_expiry.stop()
        await self._store.close()

    def _take_over(self) -> None:
        """The stored state into the cache; no commit can come between, since nothing here waits."""
        self._store.subscribe(self.cache.apply)
        self.cache.load(self._store.load, self._store.revision)
        services = self.cache.table(resource_of(Service))
        self._backend.numbers.load(services.items())
        services.followers.add(self._backend.numbers)
        self._grants.load()
        self._books.load()
        if self._ledger is not None:
            self._ledger.start()
        self.event_expiry.start()
        # The loaded state lives as long as the process: no collection needs to look at it again. And hardly anything
        # that a request leaves behind holds itself, so looking more seldom costs little memory.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, _ROUNDS, 100)

    async def _listen(self) -> None:
        config = self._config
        address = config.advertise_address or advertised(config.bind_address)
        handler = self._handler(f"{address}:{config.secure_port}")
        limits = Limits(max_connections=config.max_connections, body_bytes=config.max_request_bytes)
        self._http = Server(
            handler, address=config.bind_address, port=config.secure_port, tls=tls_files(config), limits=limits
        )
        await self._http.start()
        if config.insecure_port:
            self._plain = Server(with_all_rights(handler), tls=None, plain_port=config.insecure_port, limits=limits)
            await self._plain.start()
        await _again(lambda: bootstrap(self._backend, port=self.port))
        if config.etcd_servers:
            self.masters = Masters(self._backend, address=address, port=self.port)
            await self.masters.start()
        else:
            await announce(self._backend, [(address, self.port)])

    def _handler(self, address: str) -> Handler:
        config = self._config
        inflight = InFlight(reading=config.max_requests_inflight, writing=config.max_mutating_requests_inflight)
        metrics = Metrics(self.cache, inflight)
        health = Health({"ping": lambda: "", "etcd": self._store_state}, {"serving": lambda: self._state})
        documents = Documents(Discovery(address), OpenIdDocuments(self.tokens, address), health, metrics)
        return Handler(self._backend, documents, metrics=metrics, inflight=inflight)

    def _store_state(self) -> str:
        try:
            return self._store.fault or ("" if self._store.revision >= self.cache.revision else "behind the cache")
        except StoreError as error:
            return str(error)


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    """Work that another master may be doing at this moment: what it was quicker with is looked at again."""
    for _ in range(_TRIES - 1):
        try:
            await work()
            return
        except (Conflict, NotFound) as error:
            log.info("another server was quicker error=%s", error)
    await work()


def advertised(bind_address: str) -> str:
    """The address by which other hosts reach this one: the bound one, or that of the default route."""
    if bind_address not in ("0.0.0.0", "::"):
        return bind_address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the kernel only chooses a route (the address is for documentation, RFC 5737).
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        found: str = probe.getsockname()[0]
        return found


def _issuer(config: Config) -> str:
    return f"https://kubernetes.default.svc.{config.cluster_domain}"


def _signing_key(config: Config) -> "Callable[[], SigningKey]":
    """Raises OSError when it cannot be read, ValueError when it is no key."""
    path = config.service_account_key_file or config.pki("sa.key")
    try:
        return signing_key(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"service_account_key_file: {path}: {error}") from error


def tls_files(config: Config) -> TlsFiles:
    return TlsFiles(
        certificate=config.tls_cert_file or config.pki("apiserver.crt"),
        key=config.tls_private_key_file or config.pki("apiserver.key"),
        client_ca=config.client_ca_file or config.pki("ca.crt"),
    )


def watched_files(config: Config) -> list[Path]:
    """All files that ``reload_certificates`` reads."""
    own, towards = tls_files(config), _node_tls(config)
    return [own.certificate, own.key, own.client_ca, towards.certificate, towards.key, towards.ca]


def _node_tls(config: Config) -> NodeTls:
    return NodeTls(
        certificate=config.kubelet_client_certificate or config.pki("apiserver-kubelet-client.crt"),
        key=config.kubelet_client_key or config.pki("apiserver-kubelet-client.key"),
        ca=config.kubelet_certificate_authority or config.pki("ca.crt"),
    )

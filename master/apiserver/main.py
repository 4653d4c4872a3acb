"""The apiserver as a process: runs until it is told to stop, and then loses nothing it has accepted."""

import asyncio
import ipaddress
import logging
import socket
import threading

from client import fresh
from master.apiserver.allocators import Addresses
from master.apiserver.config import Config
from master.apiserver.server import Apiserver, advertised, watched_files
from master.store.contract import StoreBroken

log = logging.getLogger(__name__)

_LOOK_S = 0.5


def run(config: Config, stop: threading.Event) -> None:
    """Blocks until ``stop`` is set. Raises ValueError for bad settings, OSError or StoreError when it cannot start."""
    if problems := config.check():
        raise ValueError("; ".join(problems))
    ensure_certificates(config)
    asyncio.run(_serve(config, stop))


async def _serve(config: Config, stop: threading.Event) -> None:
    server = Apiserver(config)
    await server.start()
    over = asyncio.Event()
    ended = threading.Event()
    watcher = threading.Thread(
        target=_tell, args=(stop, ended, asyncio.get_running_loop(), over), name="apiserver-stop", daemon=True
    )
    watcher.start()
    broken = asyncio.create_task(server.broken(), name="store broken")
    renewing = asyncio.create_task(_follow_certificates(server, config), name="certificates")
    stopped = asyncio.create_task(over.wait(), name="apiserver stop")
    try:
        await asyncio.wait([broken, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            raise StoreBroken(server.fault)
    finally:
        broken.cancel()
        renewing.cancel()
        stopped.cancel()
        ended.set()
        log.info("stopping grace_s=%s", config.shutdown_grace_s)
        await server.stop()
        watcher.join(2 * _LOOK_S)


async def _follow_certificates(server: Apiserver, config: Config) -> None:
    """Takes up what the supervisor renewed, or people replaced, without an end to any connection."""
    files = fresh.Fresh(*watched_files(config))
    while True:
        await asyncio.sleep(fresh.LOOK_S)
        files.follow(server.reload_certificates)


def _tell(stop: threading.Event, ended: threading.Event, loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    """A thread's event told to the loop; looks up now and then whether the loop has ended for another reason."""
    while not stop.wait(_LOOK_S):
        if ended.is_set():
            return
    loop.call_soon_threadsafe(over.set)


def ensure_certificates(config: Config) -> None:
    """Makes the CA, our own certificates and the admin's kubeconfig where none are and none are given."""
    if config.tls_cert_file is not None or config.pki("apiserver.crt").exists():
        return
    from master import pki  # with the library that makes certificates: hardly any start needs it

    address = config.advertise_address or advertised(config.bind_address)
    identities = [
        pki.apiserver_identity(
            host_name=socket.gethostname(),
            addresses={address, "127.0.0.1", *_bound(config)},
            service_ip=Addresses(config.service_cluster_ip_range).first,
            domain=config.cluster_domain,
        ),
        *(
            one
            for one in pki.standard_identities(node_name="unused")
            if one.name in ("admin", "apiserver-kubelet-client")
        ),
    ]
    shown = f"[{address}]" if ":" in address else address
    pki.ensure(config.config_dir, identities, server=f"https://{shown}:{config.secure_port}", cluster=config.name)


def _bound(config: Config) -> list[str]:
    return [] if ipaddress.ip_address(config.bind_address).is_unspecified else [config.bind_address]

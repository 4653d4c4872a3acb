"""What a cluster needs on disk before its components start: directories, certificates, kubeconfig files, settings."""

import ipaddress
import logging
import socket

from cli.cluster import Settings, save
from cli.errors import CommandError
from master import pki

log = logging.getLogger(__name__)


def prepare(settings: Settings) -> tuple[str, ...]:
    """Make what is missing; what was made, in sentences. What is there and fits is left alone."""
    try:
        made = _ensure(settings)
    except (pki.PkiError, TimeoutError) as error:
        raise CommandError(str(error)) from error
    save(settings)
    return made.done


def renew(settings: Settings) -> None:
    """Make anew the certificates that are worn; those who use them look for new ones by themselves."""
    try:
        _ensure(settings)
    except (pki.PkiError, TimeoutError, OSError) as error:
        log.warning("certificates were not looked after error=%s", error)


def _ensure(settings: Settings) -> pki.Pki:
    return pki.ensure(
        settings.config,
        _identities(settings),
        server=settings.local_server,
        cluster=settings.name,
        others=settings.api_servers,
    )


def _identities(settings: Settings) -> tuple[pki.Identity, ...]:
    host = socket.gethostname().lower()
    return (
        *apiserver_identities(settings),
        pki.agent_identity(node_name=settings.node_name, host_name=host, addresses=_addresses(settings)),
        *pki.standard_identities(node_name=settings.node_name),
    )


def apiserver_identities(settings: Settings, *, more: tuple[str, ...] = ()) -> tuple[pki.Identity, ...]:
    """The API server of this host; `more` are names and addresses by which it is reached besides its own."""
    first = ipaddress.ip_network(settings.service_cidr)[1]  # the service `kubernetes` always has the first address
    return (
        pki.apiserver_identity(
            host_name=socket.gethostname().lower(),
            addresses=(*_addresses(settings), *more),
            service_ip=str(first),
            domain=settings.cluster_domain,
        ),
    )


def _addresses(settings: Settings) -> tuple[str, ...]:
    return tuple({settings.advertise_address, settings.bind_address} - {"0.0.0.0", "::"})

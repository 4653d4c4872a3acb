"""A component that works only while it leads."""

import logging
import threading
from collections.abc import Callable

from client.client import Client
from client.election import Election, ElectionSettings
from client.kubeconfig import Credentials
from client.transport import RequestObserver, Transport

log = logging.getLogger(__name__)

Work = Callable[[Client, threading.Event], None]


def run_elected(
    work: Work,
    stop: threading.Event,
    settings: ElectionSettings,
    *,
    credentials: Credentials,
    lease: str,
    user_agent: str,
    told: Callable[[bool], None] = lambda _leads: None,
    observer: RequestObserver | None = None,
) -> None:
    """Calls ``work(client, ended)`` whenever the lease is held, until ``stop`` is set.

    ``ended`` is set when the lease is lost or ``stop`` is set, and ``work`` must return soon then; the writes of
    ``client`` are refused from the moment on in which another copy could lead. Without ``leader-elect`` it is called at
    once and once. ``told`` hears whether this copy leads.
    """
    if not settings.leader_elect:
        _with_client(work, stop, Client(credentials, user_agent=user_agent, observer=observer))
        return
    transport = Transport(credentials, user_agent=f"{user_agent}/leader-election")
    election = Election(transport, lease, settings)

    def lead(ended: threading.Event) -> None:
        told(True)
        client = Client(credentials, user_agent=user_agent, before_write=election.check, observer=observer)
        _with_client(work, ended, client)

    told(False)
    try:
        while election.acquire(stop):
            _hold(election, stop, lead)
            told(False)
            if not stop.is_set():
                log.warning("standing by lease=%s", lease)
    finally:
        transport.close()


def _hold(election: Election, stop: threading.Event, lead: Callable[[threading.Event], None]) -> None:
    ended = threading.Event()
    holding = threading.Thread(target=election.hold, args=(stop, ended), name="lease-holder", daemon=True)
    holding.start()
    try:
        lead(ended)
    finally:
        ended.set()
        holding.join()
        election.release()


def _with_client(work: Work, ended: threading.Event, client: Client) -> None:
    try:
        work(client, ended)
    finally:
        client.close()

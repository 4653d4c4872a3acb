"""How to talk to a master: calls, watches, a cache kept by watching, a work queue, events.

Everything is synchronous and runs in plain named threads. It works against any Kubernetes API server, ours or another.
Each name is imported when it is first asked for: who only wants to see files replaced loads no HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.client import Client, Listing
    from client.elected import run_elected
    from client.election import Election, ElectionSettings, NotLeading
    from client.events import EventRecorder
    from client.informer import Informer
    from client.kubeconfig import Credentials, load_kubeconfig
    from client.transport import Unreachable
    from client.workqueue import QueueObserver, WorkQueue

__all__ = [
    "Client",
    "Credentials",
    "Election",
    "ElectionSettings",
    "EventRecorder",
    "Informer",
    "Listing",
    "NotLeading",
    "QueueObserver",
    "Unreachable",
    "WorkQueue",
    "load_kubeconfig",
    "run_elected",
]

_HOMES = {
    "Client": "client",
    "Credentials": "kubeconfig",
    "Election": "election",
    "ElectionSettings": "election",
    "EventRecorder": "events",
    "Informer": "informer",
    "Listing": "client",
    "NotLeading": "election",
    "QueueObserver": "workqueue",
    "Unreachable": "transport",
    "WorkQueue": "workqueue",
    "load_kubeconfig": "kubeconfig",
    "run_elected": "elected",
}


def __getattr__(name: str) -> Any:
    """The name from its module (PEP 562); Python asks once, then it stands here."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found

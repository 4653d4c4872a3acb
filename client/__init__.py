"""How to talk to a master: calls, watches, a cache kept by watching, a work queue, events.

Everything is synchronous and runs in plain named threads. It works against any Kubernetes API server, ours or another.
"""

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

"""Runs the controllers."""

import logging
import threading

from api.apps import ReplicaSet
from client import Client, EventRecorder
from client.kubeconfig import load_kubeconfig
from master.controllers.config import Config
from master.controllers.deployments import DeploymentController
from master.controllers.endpoints import EndpointsController
from master.controllers.garbage import GarbageCollector
from master.controllers.informers import Informers
from master.controllers.loop import Loop
from master.controllers.namespaces import NamespaceController
from master.controllers.nodes import NodeController
from master.controllers.replication import ReplicationManager
from master.controllers.rootca import RootCaPublisher
from master.controllers.serviceaccounts import ServiceAccountController
from master.controllers.volumes import VolumeController

log = logging.getLogger(__name__)


def run(config: Config, stop: threading.Event) -> None:
    """Controls until ``stop`` is set."""
    credentials = load_kubeconfig(config.kubeconfig)
    client = Client(credentials, user_agent="steersman-controllers")
    # The names under which Kubernetes' controllers report.
    names = ("replication-controller", "replicaset-controller", "deployment-controller", "node-controller")
    recorders = [EventRecorder(client, name) for name in names]
    replication_events, set_events, deployment_events, node_events = recorders
    informers = Informers(client)
    workers = config.concurrent_syncs
    nodes = NodeController(client, informers, node_events, config)
    # The one list of controllers.
    loops: list[Loop] = [
        ReplicationManager(client, informers, replication_events, workers=workers).loop,
        ReplicationManager(client, informers, set_events, kind=ReplicaSet, workers=workers).loop,
        DeploymentController(client, informers, deployment_events, workers=workers).loop,
        EndpointsController(client, informers, workers=workers).loop,
        NamespaceController(client, informers).loop,
        ServiceAccountController(client, informers).loop,
        RootCaPublisher(client, informers, credentials.ca).loop,
        *VolumeController(client, informers).loops,
        GarbageCollector(client, informers, workers=workers).loop,
        nodes.loop,
    ]
    informers.start()
    try:
        if informers.wait_synced(stop):
            log.info("controllers started names=%s", ",".join(loop.name for loop in loops))
            nodes.start()
            for loop in loops:
                loop.start()
            stop.wait()
    finally:
        nodes.stop()
        for loop in loops:
            loop.stop()
        informers.stop()
        for recorder in recorders:
            recorder.close()
        client.close()

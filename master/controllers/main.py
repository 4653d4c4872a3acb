"""Runs the controllers."""

import logging
import threading

from api.apps import ReplicaSet
from api.pools import Pool
from client import Client, EventRecorder, load_kubeconfig, run_elected
from client.metrics import RequestMetrics
from master.controllers.config import Config
from master.controllers.deployments import DeploymentController
from master.controllers.disruption import DisruptionController
from master.controllers.endpoints import EndpointsController
from master.controllers.ephemeralvolumes import EphemeralVolumes
from master.controllers.evictions import TaintEviction
from master.controllers.garbage import GarbageCollector
from master.controllers.heartbeats import Attention
from master.controllers.informers import Informers
from master.controllers.loadbalancers import ServiceController
from master.controllers.loop import Loop
from master.controllers.mirroring import SliceMirroring
from master.controllers.namespaces import NamespaceController
from master.controllers.noderanges import NodeRanges
from master.controllers.nodes import NodeController
from master.controllers.podgc import PodGarbageCollector
from master.controllers.protection import StorageProtection
from master.controllers.replication import ReplicationManager
from master.controllers.rootca import RootCaPublisher
from master.controllers.serviceaccounts import ServiceAccountController
from master.controllers.stale_disruptions import StaleDisruptions
from master.controllers.tokens import TokenController
from master.controllers.volumes import VolumeController
from master.health import health_port
from master.metrics import leads
from master.writers import Writers

log = logging.getLogger(__name__)


# The name that Kubernetes' own takes, so that only one of both ever leads.
_LEASE = "kube-controller-manager"
# Creates and deletes of pods under way at once: enough to keep the API busy while one waits for the disk.
_WRITERS = 8
# The names under which Kubernetes' controllers report.
_REPLICATION, _SETS, _DEPLOYMENTS = "replication-controller", "replicaset-controller", "deployment-controller"
_NODES, _EVICTIONS, _SERVICES = "node-controller", "taint-eviction-controller", "service-controller"
_VOLUMES, _EPHEMERAL = "persistentvolume-controller", "ephemeral_volume"
_GARBAGE, _BUDGETS = "garbage-collector-controller", "controllermanager"


class Controllers:
    """All controllers, on informers of their own, for one stretch of control."""

    def __init__(self, client: Client, config: Config, ca: bytes) -> None:
        self._started = False
        self._informers = informers = Informers(client)
        names = (
            _REPLICATION,
            _SETS,
            _DEPLOYMENTS,
            _NODES,
            _EVICTIONS,
            _SERVICES,
            _GARBAGE,
            _BUDGETS,
            _VOLUMES,
            _EPHEMERAL,
        )
        self._recorders = recorders = {name: EventRecorder(client, name) for name in names}
        self._writers = writers = Writers(_WRITERS, "replicas")
        workers, grace_s = config.concurrent_syncs, config.node_monitor_grace_period_s
        # Half a grace period unheard, and a node that beats as it should could seem silent.
        attention = Attention(grace_s / 2)
        self._nodes = nodes = NodeController(client, informers, recorders[_NODES], config, attention)
        cidr, size = config.cluster_cidr, config.node_cidr_mask_size
        evictions = recorders[_EVICTIONS]
        # The one list of controllers.
        self._loops: list[Loop] = [
            ReplicationManager(client, informers, recorders[_REPLICATION], workers=workers, writers=writers).loop,
            ReplicationManager(
                client, informers, recorders[_SETS], kind=ReplicaSet, workers=workers, writers=writers
            ).loop,
            DeploymentController(client, informers, recorders[_DEPLOYMENTS], workers=workers).loop,
            EndpointsController(client, informers, workers=workers).loop,
            SliceMirroring(client, informers).loop,
            NamespaceController(client, informers).loop,
            ServiceAccountController(client, informers).loop,
            TokenController(client, informers, ca).loop,
            RootCaPublisher(client, informers, ca).loop,
            ServiceController(client, informers, recorders[_SERVICES], Pool(config.load_balancer_pool)).loop,
            *VolumeController(client, informers, recorders[_VOLUMES]).loops,
            EphemeralVolumes(client, informers, recorders[_EPHEMERAL]).loop,
            *StorageProtection(client, informers).loops,
            GarbageCollector(client, informers, recorders[_GARBAGE], workers=workers).loop,
            DisruptionController(client, informers, recorders[_BUDGETS], workers=workers).loop,
            StaleDisruptions(client, informers).loop,
            PodGarbageCollector(client, informers, threshold=config.terminated_pod_gc_threshold).loop,
            NodeRanges(client, informers, recorders[_NODES], cluster=cidr, size=size).loop,
            TaintEviction(client, informers, evictions, attention, grace_s=grace_s, workers=workers).loop,
            nodes.loop,
        ]

    def problems(self) -> list[str]:
        """What does not run and should."""
        if not self._started:
            return []
        ended = [loop.name for loop in self._loops if not loop.alive]
        return [f"{name} has ended" for name in (*ended, *(() if self._nodes.alive else ("node-monitor",)))]

    def control(self, stop: threading.Event) -> None:
        """Until ``stop`` is set."""
        self._informers.start()
        try:
            if self._informers.wait_synced(stop):
                log.info("controllers started names=%s", ",".join(loop.name for loop in self._loops))
                self._nodes.start()
                for loop in self._loops:
                    loop.start()
                self._started = True
                stop.wait()
        finally:
            self._started = False
            self._nodes.stop()
            for loop in self._loops:
                loop.stop()
            self._writers.stop()
            self._informers.stop()
            for recorder in self._recorders.values():
                recorder.close()


def run(config: Config, stop: threading.Event) -> None:
    """Controls until ``stop`` is set, whenever no other copy does."""
    credentials = load_kubeconfig(config.kubeconfig)
    # Of this stretch of control; none while standing by.
    current: list[Controllers] = []

    def control(client: Client, ended: threading.Event) -> None:
        controllers = Controllers(client, config, credentials.ca)
        current[:] = [controllers]
        try:
            controllers.control(ended)
        finally:
            current.clear()

    with health_port(config, lambda: [said for one in tuple(current) for said in one.problems()]):
        run_elected(
            control,
            stop,
            config,
            credentials=credentials,
            lease=_LEASE,
            user_agent="steersman-controllers",
            told=lambda held: leads(_LEASE, held=held),
            observer=RequestMetrics(),
        )

"""The informers that all controllers share: one list and one watch for each kind, whoever needs it."""

import threading
from typing import Any

from api.apps import Deployment, ReplicaSet
from api.coordination import Lease
from api.core import (
    ConfigMap,
    Endpoints,
    Event,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    ReplicationController,
    Secret,
    Service,
    ServiceAccount,
)
from api.discovery import EndpointSlice
from api.meta import Object
from api.policy import PodDisruptionBudget
from api.resources import RESOURCES
from api.storage import StorageClass
from client import Client, Informer
from master.controllers.ownership import controller_of

BY_UID = "uid"
BY_OWNER = "owner"
BY_NAMESPACE = "namespace"
BY_NODE = "node"
UNCONTROLLED = "uncontrolled"
BY_ACCOUNT = "account"
BY_ADDRESS = "address"
BY_NODE_PORT = "node port"
NODE_LEASES = "kube-node-lease"
ROOT_CA = "kube-root-ca.crt"


# Events go by themselves, and leases are heartbeats: to follow them costs more than they are worth here.
_UNOWNED = {Event, Lease}


class Informers:
    """Informers of everything that controllers look at."""

    def __init__(self, client: Client) -> None:
        self.pods = Informer(client, Pod)
        self.pods.add_index(BY_NODE, lambda pod: [pod.spec.node_name] if pod.spec.node_name else [])
        # By namespace: pods that a controller may adopt.
        self.pods.add_index(UNCONTROLLED, lambda pod: [] if controller_of(pod) else [pod.metadata.namespace])
        self.replication_controllers = Informer(client, ReplicationController)
        self.replica_sets = Informer(client, ReplicaSet)
        self.deployments = Informer(client, Deployment)
        self.services = Informer(client, Service)
        self.services.add_index(BY_ADDRESS, lambda item: [item.spec.cluster_ip] if item.spec.cluster_ip else [])
        self.services.add_index(BY_NODE_PORT, lambda item: [str(p.node_port) for p in item.spec.ports if p.node_port])
        self.endpoints = Informer(client, Endpoints)
        # Kubernetes before 1.21 has them in a beta version only.
        self.endpoint_slices = Informer(client, EndpointSlice, optional=True)
        self.nodes = Informer(client, Node)
        self.leases = Informer(client, Lease, namespace=NODE_LEASES)
        self.namespaces = Informer(client, Namespace)
        self.service_accounts = Informer(client, ServiceAccount)
        self.token_secrets = Informer(client, Secret, fields="type=kubernetes.io/service-account-token")
        self.token_secrets.add_index(BY_ACCOUNT, _account_named)
        self.root_cas = Informer(client, ConfigMap, fields=f"metadata.name={ROOT_CA}")
        # Kubernetes before 1.21 has them in a beta version only.
        self.budgets = Informer(client, PodDisruptionBudget, optional=True)
        self.volumes = Informer(client, PersistentVolume)
        self.claims = Informer(client, PersistentVolumeClaim)
        self.storage_classes = Informer(client, StorageClass, optional=True)
        # Of all other kinds only who owns what is of interest.
        known = {informer.kind for informer in self._whole}
        self._metadata = tuple(
            Informer(client, resource.type, metadata_only=True, optional=True)
            for resource in RESOURCES
            if resource.type not in known | _UNOWNED and resource.stored_as is None and not resource.computed
        )
        for informer in self.owned:
            informer.add_index(BY_UID, lambda item: [item.metadata.uid])
            informer.add_index(BY_OWNER, owner_uids)
            informer.add_index(BY_NAMESPACE, lambda item: [item.metadata.namespace])

    @property
    def _whole(self) -> tuple[Informer[Any], ...]:
        """Informers of all objects of a kind, with all that is in them."""
        return (
            self.pods,
            self.replication_controllers,
            self.replica_sets,
            self.deployments,
            self.services,
            self.endpoints,
            self.endpoint_slices,
            self.nodes,
            self.namespaces,
            self.service_accounts,
            self.volumes,
            self.claims,
            self.storage_classes,
            self.budgets,
        )

    @property
    def owned(self) -> tuple[Informer[Any], ...]:
        """Informers of the kinds that can be owned by, or own, another object."""
        return (*self._whole, *self._metadata)

    @property
    def all(self) -> tuple[Informer[Any], ...]:
        return (*self.owned, self.leases, self.root_cas, self.token_secrets)

    def start(self) -> None:
        for informer in self.all:
            informer.start()

    def wait_synced(self, stop: threading.Event) -> bool:
        """Whether everything has been listed; False when ``stop`` came first."""
        for informer in self.all:
            while not informer.wait_synced(0.5):
                if stop.is_set():
                    return False
        return True

    def stop(self) -> None:
        for informer in self.all:
            informer.stop()


def owner_uids(item: Object) -> list[str]:
    return [owner.uid for owner in item.metadata.owner_references]


def balancer_addresses(service: Service) -> list[str]:
    return [one.ip for one in service.status.load_balancer.ingress if one.ip]


def _account_named(secret: Secret) -> list[str]:
    name = secret.metadata.annotations.get("kubernetes.io/service-account.name")
    return [f"{secret.metadata.namespace}/{name}"] if name else []

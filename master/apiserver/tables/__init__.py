"""Tables: what ``kubectl get`` shows, with Kubernetes' own columns for each kind (``meta.k8s.io`` Table).

A kind without a line here is shown with its name and age.
"""

from api.coordination import Lease
from api.core import (
    ConfigMap,
    Endpoints,
    Event,
    Namespace,
    Node,
    Pod,
    ReplicationController,
    Secret,
    Service,
    ServiceAccount,
)
from api.discovery import EndpointSlice
from api.meta import Object
from master.apiserver.tables import event, node, others, pod, service
from master.apiserver.tables.column import TableShape

_SHAPES: dict[type[Object], TableShape] = {
    ConfigMap: others.CONFIG_MAP,
    Endpoints: service.ENDPOINTS,
    EndpointSlice: service.ENDPOINT_SLICE,
    Event: event.SHAPE,
    Lease: others.LEASE,
    Namespace: others.NAMESPACE,
    Node: node.SHAPE,
    Pod: pod.SHAPE,
    ReplicationController: others.CONTROLLER,
    Secret: others.SECRET,
    Service: service.SERVICE,
    ServiceAccount: others.SERVICE_ACCOUNT,
}


def shape_of(kind: type[Object]) -> TableShape:
    """How the objects of a kind are shown."""
    return _SHAPES.get(kind, others.ANY)

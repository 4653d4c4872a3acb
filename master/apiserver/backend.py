"""What every operation works with."""

from dataclasses import dataclass, field

from master.apiserver.admission.chain import Chain
from master.apiserver.allocators import Addresses
from master.apiserver.authentication import Authenticator
from master.apiserver.authorization.authorizer import Authorizer
from master.apiserver.claims import Claims
from master.apiserver.node_client import NodeClient
from master.apiserver.node_readings import NodeReadings
from master.apiserver.presence import Presence
from master.apiserver.registry import Registry
from master.apiserver.replicas import Replicas
from master.apiserver.service_numbers import ServiceNumbers
from master.apiserver.status_bodies import StatusBodies


@dataclass(frozen=True, slots=True)
class Backend:
    """The parts of one running apiserver."""

    registry: Registry
    numbers: ServiceNumbers
    claims: Claims
    nodes: NodeClient
    authenticate: Authenticator
    access: Authorizer
    admission: Chain
    watch_queue: int
    replicas: Replicas
    presence: Presence = field(default_factory=Presence)
    readings: NodeReadings = field(default_factory=NodeReadings)
    status_bodies: StatusBodies = field(default_factory=StatusBodies)

    @property
    def service_addresses(self) -> Addresses:
        return self.numbers.addresses

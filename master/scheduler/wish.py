"""A pod as the scheduler sees it: what it wants, worked out once, and nothing else of it is kept.

Pods of one template want the same; that part, the *shape*, is held once for all of them.
"""

import sys
import weakref
from dataclasses import dataclass, field
from datetime import UTC, datetime

from api.claiming import claim_of, own_claims
from api.codec import encode
from api.core import NodeSelector, NodeSelectorTerm, Pod, PodSpec, Toleration
from api.core.affinity import Affinity, TopologySpreadConstraint
from api.placement import HostPort, Labels, host_ports, required_nodes
from api.qos import qos_class
from master.scheduler.amounts import Amounts, requests, scored_requests
from master.scheduler.terms import NO_TERMS, PodTerms, label_keys, pod_terms
from master.scheduler.views import NOTHING_NEAR, View
from master.scheduler.volumes import NO_VOLUMES, Volumes

_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Shape:
    """What all pods of one template and owner want. ``node_terms``: all that they ask of a node itself, as a key."""

    node_selector: dict[str, str]
    affinity: Affinity | None
    tolerations: list[Toleration]
    constraints: list[TopologySpreadConstraint]
    requests: Amounts
    scored_cpu: float
    scored_memory: float
    host_ports: frozenset[HostPort]
    images: tuple[str, ...]
    claims: tuple[str, ...]
    own_claims: frozenset[str]
    owner: str
    best_effort: bool
    pinned: frozenset[str] | None
    node_terms: str
    label_keys: tuple[str, ...]
    terms: dict[tuple[str, ...], PodTerms] = field(default_factory=dict)

    @property
    def required_nodes(self) -> NodeSelector | None:
        return required_nodes(self.affinity)

    def terms_for(self, namespace: str, labels: Labels) -> PodTerms:
        """The terms about other pods of a pod with these labels."""
        affinity = self.affinity
        if not self.constraints and (
            affinity is None or (affinity.pod_affinity is None and affinity.pod_anti_affinity is None)
        ):
            return NO_TERMS
        key = (namespace, *(labels.get(name, "") for name in self.label_keys))
        if key not in self.terms:
            self.terms[key] = pod_terms(affinity, self.constraints, namespace, labels)
        return self.terms[key]


_shapes: "weakref.WeakValueDictionary[bytes, Shape]" = weakref.WeakValueDictionary()


@dataclass(eq=False, slots=True)
class Wish:
    """One pod. ``volumes`` and ``view`` are of the moment: they are filled in for each decision."""

    namespace: str
    name: str
    uid: str
    labels: Labels
    priority: int
    preempts: bool
    deleting: bool
    started: datetime
    node_name: str
    gated: bool
    shape: Shape
    terms: PodTerms
    volumes: Volumes = NO_VOLUMES
    view: View = NOTHING_NEAR

    @classmethod
    def of(cls, pod: Pod) -> "Wish":
        meta, spec = pod.metadata, pod.spec
        shape = _shape(pod)
        return cls(
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            labels=meta.labels,
            priority=spec.priority or 0,
            preempts=spec.preemption_policy != "Never",
            deleting=meta.deletion_timestamp is not None,
            started=pod.status.start_time or _EVER,
            node_name=spec.node_name,
            gated=bool(spec.scheduling_gates),
            shape=shape,
            terms=shape.terms_for(meta.namespace, meta.labels),
        )

    def uses(self, namespace: str, claims: frozenset[str]) -> bool:
        """Whether it uses one of these claims of a namespace."""
        return self.namespace == namespace and not claims.isdisjoint(self.shape.claims)


def _shape(pod: Pod) -> Shape:
    spec = pod.spec
    owner = next((one.uid for one in pod.metadata.owner_references if one.controller), "")
    claims = tuple(name for volume in spec.volumes if (name := claim_of(volume, pod.metadata.name)))
    own = frozenset(own_claims(pod))
    containers = [
        (one.image, one.ports, one.resources, one.restart_policy) for one in (*spec.init_containers, *spec.containers)
    ]
    wanted = (
        len(spec.init_containers),
        containers,
        spec.node_selector,
        spec.affinity,
        spec.tolerations,
        spec.topology_spread_constraints,
        spec.overhead,
        spec.resources,
    )
    key = encode((owner, claims, sorted(own), wanted))
    shape = _shapes.get(key)
    if shape is None:
        cpu, memory = scored_requests(spec)
        shape = _shapes[key] = Shape(
            node_selector=spec.node_selector,
            affinity=spec.affinity,
            tolerations=spec.tolerations,
            constraints=spec.topology_spread_constraints,
            requests={name: value for name, value in requests(spec).items() if value},
            scored_cpu=cpu,
            scored_memory=memory,
            host_ports=host_ports(spec),
            images=tuple(_tagged(one.image) for one in (*spec.init_containers, *spec.containers)),
            claims=claims,
            own_claims=own,
            owner=owner,
            best_effort=qos_class(spec) == "BestEffort",
            pinned=_pinned(spec.affinity),
            node_terms=_node_terms(spec),
            label_keys=label_keys(spec.affinity, spec.topology_spread_constraints),
        )
    return shape


def _node_terms(spec: PodSpec) -> str:
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    wanted = (spec.node_selector, affinity, spec.tolerations, qos_class(spec) == "BestEffort")
    return sys.intern(encode(wanted).decode())


def _tagged(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _pinned(affinity: Affinity | None) -> frozenset[str] | None:
    """The only nodes that the pod may go to, when it names them (as pods of a DaemonSet do)."""
    part = affinity.node_affinity if affinity is not None else None
    selector = part.required_during_scheduling_ignored_during_execution if part is not None else None
    if selector is None or not selector.node_selector_terms:
        return None
    names: set[str] = set()
    for term in selector.node_selector_terms:
        named = _named(term)
        if named is None:
            return None
        names |= named
    return frozenset(names)


def _named(term: NodeSelectorTerm) -> set[str] | None:
    for field_ in term.match_fields:
        if field_.key == "metadata.name" and field_.operator == "In":
            return set(field_.values)
    return None

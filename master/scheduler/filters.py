"""Filters (the *predicates* of old): can this pod run on that node? Each is a pure function that returns why not, or
nothing.

The reasons are Kubernetes' own; ``kubectl describe pod`` shows how many nodes each of them rules out. A refusal is
*curable* when it could help to remove pods from the node.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from api.core import Taint
from api.placement import may_stand_on, ports_clash, selects
from master.scheduler.change import Change
from master.scheduler.nodestate import NodeState
from master.scheduler.reading import Reads
from master.scheduler.terms import tolerated
from master.scheduler.wish import Shape, Wish


class Refusal(NamedTuple):
    """Why a node is left out, and by which filter."""

    reasons: tuple[str, ...]
    curable: bool = False
    by: str = ""


Check = Callable[[Wish, NodeState], Refusal | None]


@dataclass(frozen=True, slots=True)
class Filter:
    """A check under its name in Kubernetes.

    helped_by: changes of the cluster after which it may decide otherwise. concerns: whether it can have anything
    against a node for such a pod at all.
    """

    name: str
    check: Check
    reads: Reads
    helped_by: Change
    concerns: Callable[[Wish], bool] = lambda _: True


UNFIT = Refusal(("node(s) didn't match Pod's node affinity/selector",))
_OTHER_NAME = Refusal(("node(s) didn't match the requested node name",))
_CORDONED = Refusal(("node(s) were unschedulable",))
_PORTS = Refusal(("node(s) didn't have free ports for the requested pod ports",), curable=True)
_VOLUME = Refusal(("node(s) had volume node affinity conflict",))
_NO_VOLUME = Refusal(("node(s) didn't find available persistent volumes to bind",))
_IN_USE = Refusal(("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",))
_IN_USE_HERE = _IN_USE._replace(curable=True)
_UNEVEN = Refusal(("node(s) didn't match pod topology spread constraints",), curable=True)
_NO_DOMAIN = Refusal(("node(s) didn't match pod topology spread constraints (missing required label)",))
_NOT_NEAR = Refusal(("node(s) didn't match pod affinity rules",))
_NOT_FAR = Refusal(("node(s) didn't match pod anti-affinity rules",), curable=True)
_SHUNNED = Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",), curable=True)


def node_name(wish: Wish, state: NodeState) -> Refusal | None:
    return None if wish.node_name in ("", state.name) else _OTHER_NAME


# No label has such a value.
_NOWHERE = "\0"
_CORDON = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


def unschedulable(wish: Wish, state: NodeState) -> Refusal | None:
    if not state.node.spec.unschedulable or tolerated(_CORDON, wish.shape.tolerations):
        return None
    return _CORDONED


# Of each trouble the taint that stands for it, and what is said.
_TROUBLES = {
    kind: (Taint(key=f"node.kubernetes.io/{key}", effect="NoSchedule"), Refusal((f"node(s) {said}",)))
    for kind, key, said in (
        ("Ready", "not-ready", "were not ready"),
        ("NetworkUnavailable", "network-unavailable", "had unavailable network"),
        ("DiskPressure", "disk-pressure", "had disk pressure"),
        ("PIDPressure", "pid-pressure", "had pid pressure"),
        ("MemoryPressure", "memory-pressure", "had memory pressure"),
    )
}


def conditions(wish: Wish, state: NodeState) -> Refusal | None:
    """A node that is not ready, or in need of something, starts nothing but pods that bear just that (those of node
    daemons do). Memory pressure keeps only those away that ask for nothing.
    """
    for kind in state.troubles:
        taint, refusal = _TROUBLES[kind]
        is_borne = kind == "MemoryPressure" and not wish.shape.best_effort
        if not is_borne and not tolerated(taint, wish.shape.tolerations):
            return refusal
    return None


def taints(wish: Wish, state: NodeState) -> Refusal | None:
    return bears_taints(wish.shape, state) if state.node.spec.taints else None


def bears_taints(shape: Shape, state: NodeState) -> Refusal | None:
    """The first taint that such pods do not bear."""
    for taint in state.node.spec.taints:
        if taint.effect != "PreferNoSchedule" and not tolerated(taint, shape.tolerations):
            return Refusal((f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",))
    return None


def node_affinity(wish: Wish, state: NodeState) -> Refusal | None:
    return None if matches_node(wish.shape, state) else UNFIT


def matches_node(shape: Shape, state: NodeState) -> bool:
    """Whether nodeSelector and required node affinity hold."""
    return may_stand_on(shape.node_selector, shape.required_nodes, state.name, state.labels)


def ports(wish: Wish, state: NodeState) -> Refusal | None:
    return _PORTS if ports_clash(wish.shape.host_ports, state.ports) else None


def resources(wish: Wish, state: NodeState) -> Refusal | None:
    """All that is short is told, as Kubernetes does. What the empty node would not hold cannot be cured."""
    free = state.free
    if len(state.pods) < state.most_pods:
        for name, wanted in wish.shape.requests.items():
            if wanted > free.get(name, 0):
                break
        else:
            return None
    short = [name for name, wanted in wish.shape.requests.items() if wanted > free.get(name, 0)]
    curable = all(wish.shape.requests[name] <= state.allocatable.get(name, 0) for name in short)
    too_many = ("Too many pods",) if len(state.pods) >= state.most_pods else ()
    return Refusal((*too_many, *(f"Insufficient {name}" for name in short)), curable)


def volumes(wish: Wish, state: NodeState) -> Refusal | None:
    """Volumes that can be reached from some nodes only, and those that are bound for the node."""
    reachable = all(selects(selector, state.name, state.labels) for selector in wish.volumes.reached_from)
    if not reachable:
        return _VOLUME
    if wish.volumes.delayed and wish.volumes.bindings(state.name, state.labels) is None:
        return _NO_VOLUME
    return None


def volume_restrictions(wish: Wish, state: NodeState) -> Refusal | None:
    """A claim for one pod alone is not used by a second. It helps to remove the first, where it is the only one."""
    alone = wish.volumes.alone
    if not alone:
        return None
    if wish.volumes.used_on - {state.name}:
        return _IN_USE
    here = any(pod.uses(wish.namespace, alone) and pod.uid != wish.uid for pod in state.pods.values())
    return _IN_USE_HERE if here else None


def topology_spread(wish: Wish, state: NodeState) -> Refusal | None:
    for wanted, counts, most in wish.view.spread:
        domain = state.labels.get(wanted.key)
        if domain is None:
            return _NO_DOMAIN
        if counts.get(domain, 0) > most:
            return _UNEVEN
    return None


def pod_affinity(wish: Wish, state: NodeState) -> Refusal | None:
    view, labels = wish.view, state.labels
    for key, counts, _ in view.near:
        domain = labels.get(key)
        if domain is None or not (view.alone or counts.get(domain)):
            return _NOT_NEAR
    for key, counts, _ in view.far:
        if counts.get(labels.get(key, _NOWHERE)):
            return _NOT_FAR
    for key, counts, _ in view.shunned_by:
        if counts.get(labels.get(key, _NOWHERE)):
            return _SHUNNED
    return None


FILTERS: tuple[Filter, ...] = (
    Filter("NodeUnschedulable", unschedulable, Reads.NODE, Change.NODE),
    Filter("NodeName", node_name, Reads.NODE, Change.NODE),
    Filter("NodeConditions", conditions, Reads.NODE, Change.NODE),
    Filter("TaintToleration", taints, Reads.NODE, Change.NODE),
    Filter("NodeAffinity", node_affinity, Reads.NODE, Change.NODE),
    Filter(
        "NodePorts",
        ports,
        Reads.ROOM,
        Change.NODE | Change.POD_GONE,
        concerns=lambda wish: bool(wish.shape.host_ports),
    ),
    Filter("NodeResourcesFit", resources, Reads.ROOM, Change.NODE | Change.POD_GONE),
    Filter(
        "VolumeRestrictions",
        volume_restrictions,
        Reads.ROOM,
        Change.NODE | Change.POD_GONE | Change.VOLUME,
        concerns=lambda wish: bool(wish.volumes.alone),
    ),
    Filter(
        "VolumeBinding",
        volumes,
        Reads.ROOM,
        Change.NODE | Change.VOLUME,
        concerns=lambda wish: bool(wish.volumes.reached_from or wish.volumes.delayed),
    ),
    Filter(
        "PodTopologySpread",
        topology_spread,
        Reads.NEIGHBOURS,
        Change.NODE | Change.POD_GONE | Change.POD_PLACED,
        concerns=lambda wish: bool(wish.view.spread),
    ),
    Filter(
        "InterPodAffinity",
        pod_affinity,
        Reads.NEIGHBOURS,
        Change.NODE | Change.POD_GONE | Change.POD_PLACED | Change.NAMESPACE,
        concerns=lambda wish: bool(wish.view.near or wish.view.far or wish.view.shunned_by),
    ),
)

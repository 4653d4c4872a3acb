"""Filters (the *predicates* of old): can this pod run on that node? Each is a pure function that returns why not, or
nothing.

The reasons are Kubernetes' own; ``kubectl describe pod`` shows how many nodes each of them rules out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from api.core import Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint, Toleration
from master.scheduler.cluster import Amounts, HostPort, NodeState, host_ports, requests


@dataclass(frozen=True, slots=True)
class Wish:
    """A pod with what the filters need of it, worked out once for all nodes."""

    pod: Pod
    requests: Amounts
    host_ports: frozenset[HostPort]

    @classmethod
    def of(cls, pod: Pod) -> "Wish":
        return cls(pod, requests(pod.spec), frozenset(host_ports(pod.spec)))


Filter = Callable[[Wish, NodeState], str]


def node_name(wish: Wish, state: NodeState) -> str:
    wanted = wish.pod.spec.node_name
    return "" if wanted in ("", state.node.metadata.name) else "node(s) didn't match the requested node name"


def unschedulable(wish: Wish, state: NodeState) -> str:
    if not state.node.spec.unschedulable:
        return ""
    taint = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
    return "" if tolerated(taint, wish.pod.spec.tolerations) else "node(s) were unschedulable"


def ready(wish: Wish, state: NodeState) -> str:
    """A node that is not ready starts nothing but pods that bear just that (those of node daemons do)."""
    condition = next((item for item in state.node.status.conditions if item.type == "Ready"), None)
    if condition is not None and condition.status == "True":
        return ""
    taint = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")
    return "" if tolerated(taint, wish.pod.spec.tolerations) else "node(s) were not ready"


def taints(wish: Wish, state: NodeState) -> str:
    for taint in state.node.spec.taints:
        if taint.effect != "PreferNoSchedule" and not tolerated(taint, wish.pod.spec.tolerations):
            return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
    return ""


def tolerated(taint: Taint, tolerations: list[Toleration]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def node_affinity(wish: Wish, state: NodeState) -> str:
    reason = "node(s) didn't match Pod's node affinity/selector"
    labels = state.node.metadata.labels
    if any(labels.get(key) != value for key, value in wish.pod.spec.node_selector.items()):
        return reason
    affinity = wish.pod.spec.affinity
    needed = affinity.node_affinity if affinity is not None else None
    selector = needed.required_during_scheduling_ignored_during_execution if needed is not None else None
    if selector is None or any(term_matches(term, state.node) for term in selector.node_selector_terms):
        return ""
    return reason


def term_matches(term: NodeSelectorTerm, node: Node) -> bool:
    """All requirements of a term hold; a term without any holds for no node."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_holds(item, node.metadata.labels) for item in term.match_expressions) and all(
        _holds(item, fields) for item in term.match_fields
    )


def _holds(requirement: NodeSelectorRequirement, labels: dict[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            return _compares(value, operator, requirement.values)


def _compares(value: str | None, operator: str, values: list[str]) -> bool:
    try:
        limit = int(values[0])
        return value is not None and (int(value) > limit if operator == "Gt" else int(value) < limit)
    except (ValueError, IndexError):
        return False


def ports(wish: Wish, state: NodeState) -> str:
    if not wish.host_ports:
        return ""
    taken = {port for pod in state.pods.values() for port in host_ports(pod.spec)}
    for protocol, address, port in wish.host_ports:
        for other_protocol, other_address, other in taken:
            same_address = address == other_address or "0.0.0.0" in (address, other_address)
            if (protocol, port) == (other_protocol, other) and same_address:
                return "node(s) didn't have free ports for the requested pod ports"
    return ""


def resources(wish: Wish, state: NodeState) -> str:
    if len(state.pods) + 1 > state.allocatable.get("pods", 0):
        return "Too many pods"
    for name, wanted in wish.requests.items():
        if wanted and state.requested.get(name, 0) + wanted > state.allocatable.get(name, 0):
            return f"Insufficient {name}"
    return ""


FILTERS: tuple[Filter, ...] = (node_name, unschedulable, ready, taints, node_affinity, ports, resources)


def why_not(wish: Wish, state: NodeState) -> str:
    """The first reason why the pod cannot run on the node; empty when it can."""
    return next((reason for check in FILTERS if (reason := check(wish, state))), "")

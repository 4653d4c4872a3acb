"""What ties a pod to certain nodes: node selectors, and ports of the host."""

from collections.abc import Iterable, Mapping

from api.core import NodeSelector, NodeSelectorTerm, PodSpec
from api.core.affinity import Affinity
from api.selectors import holds

Labels = Mapping[str, str]
HostPort = tuple[str, str, int]  # protocol, address, port
EVERY_ADDRESS = "0.0.0.0"


def selects(selector: NodeSelector, name: str, labels: Labels) -> bool:
    """Whether a node is meant: any of the terms holds."""
    return any(term_holds(term, name, labels) for term in selector.node_selector_terms)


def term_holds(term: NodeSelectorTerm, name: str, labels: Labels) -> bool:
    """All requirements of a term hold; a term without any holds for no node."""
    if not term.match_expressions and not term.match_fields:
        return False
    return all(holds(item, labels) for item in term.match_expressions) and all(
        holds(item, {"metadata.name": name}) for item in term.match_fields
    )


def required_nodes(affinity: Affinity | None) -> NodeSelector | None:
    part = affinity.node_affinity if affinity is not None else None
    return part.required_during_scheduling_ignored_during_execution if part is not None else None


def may_stand_on(node_selector: Labels, required: NodeSelector | None, name: str, labels: Labels) -> bool:
    """Whether nodeSelector and required node affinity hold for a node."""
    for key, value in node_selector.items():
        if labels.get(key) != value:
            return False
    return required is None or selects(required, name, labels)


def host_ports(spec: PodSpec) -> frozenset[HostPort]:
    """Those of a pod's containers; the address is 0.0.0.0 for all."""
    return frozenset(
        (port.protocol or "TCP", port.host_ip or EVERY_ADDRESS, port.host_port)
        for container in spec.containers
        for port in container.ports
        if port.host_port
    )


def ports_clash(wanted: Iterable[HostPort], taken: Iterable[HostPort]) -> bool:
    """Whether any is taken: a port of all addresses is taken on each."""
    for protocol, address, port in wanted:
        for other_protocol, other_address, other in taken:
            same_address = address == other_address or EVERY_ADDRESS in (address, other_address)
            if (protocol, port) == (other_protocol, other) and same_address:
                return True
    return False

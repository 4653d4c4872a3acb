"""On which nodes a pod or a volume may be, and near which pods: terms of more than one field.

Source: k8s.io/kubernetes, pkg/apis/core/validation (``ValidateNodeSelectorRequirement``, ``validatePodAffinityTerm``).
"""

from collections.abc import Iterator

from api.core import NodeSelectorTerm
from api.core.affinity import Affinity, NodeSelector, NodeSelectorRequirement, PodAffinityTerm
from api.errors import FieldError, forbidden, invalid, required
from api.formats import NO_OPERATOR, dns_label, dns_subdomain, qualified_name
from api.validation.selectors import selector_errors

_MUST = "requiredDuringSchedulingIgnoredDuringExecution"
_WISH = "preferredDuringSchedulingIgnoredDuringExecution"
_LISTING = ("In", "NotIn")
_OF_LABELS_ALONE = ("Exists", "DoesNotExist", "Gt", "Lt")


def affinity_errors(affinity: Affinity, path: str) -> Iterator[FieldError]:
    nodes = affinity.node_affinity
    if nodes is not None:
        must = nodes.required_during_scheduling_ignored_during_execution
        yield from node_selector_errors(must, f"{path}.nodeAffinity.{_MUST}")
        for index, wish in enumerate(nodes.preferred_during_scheduling_ignored_during_execution):
            if wish.preference is not None:
                yield from _term_errors(wish.preference, f"{path}.nodeAffinity.{_WISH}[{index}].preference")
    for name, near in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if near is None:
            continue
        for index, term in enumerate(near.required_during_scheduling_ignored_during_execution):
            yield from _near_errors(term, f"{path}.{name}.{_MUST}[{index}]")
        for index, weighted in enumerate(near.preferred_during_scheduling_ignored_during_execution):
            if weighted.pod_affinity_term is not None:
                yield from _near_errors(weighted.pod_affinity_term, f"{path}.{name}.{_WISH}[{index}].podAffinityTerm")


def node_selector_errors(selector: NodeSelector | None, path: str) -> Iterator[FieldError]:
    for index, term in enumerate(selector.node_selector_terms if selector is not None else ()):
        yield from _term_errors(term, f"{path}.nodeSelectorTerms[{index}]")


def _term_errors(term: NodeSelectorTerm, path: str) -> Iterator[FieldError]:
    for index, one in enumerate(term.match_expressions):
        yield from _label_errors(one, f"{path}.matchExpressions[{index}]")
    for index, one in enumerate(term.match_fields):
        yield from _field_errors(one, f"{path}.matchFields[{index}]")


def _label_errors(one: NodeSelectorRequirement, path: str) -> Iterator[FieldError]:
    if wrong := qualified_name(one.key):
        yield invalid(f"{path}.key", one.key, wrong)
    if one.operator in _LISTING and not one.values:
        yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif one.operator in ("Exists", "DoesNotExist") and one.values:
        yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif one.operator in ("Gt", "Lt") and len(one.values) != 1:
        yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")


def _field_errors(one: NodeSelectorRequirement, path: str) -> Iterator[FieldError]:
    if one.operator in _OF_LABELS_ALONE:
        yield invalid(f"{path}.operator", one.operator, NO_OPERATOR)
    elif one.operator in _LISTING and len(one.values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", why)
    if one.key != "metadata.name":
        yield invalid(f"{path}.key", one.key, "not a valid field selector key")
        return
    for index, value in enumerate(one.values):
        if wrong := dns_subdomain(value):
            yield invalid(f"{path}.values[{index}]", value, wrong)


def _near_errors(term: PodAffinityTerm, path: str) -> Iterator[FieldError]:
    yield from selector_errors(term.label_selector, f"{path}.labelSelector")
    yield from selector_errors(term.namespace_selector, f"{path}.namespaceSelector")
    for name in term.namespaces:
        if wrong := dns_label(name):
            # The path is Kubernetes' own.
            yield invalid(f"{path}.namespace", name, wrong)
    if term.topology_key and (wrong := qualified_name(term.topology_key)):
        yield invalid(f"{path}.topologyKey", term.topology_key, wrong)

"""Nodes."""

import ipaddress
from collections.abc import Iterator

from api.core import Node
from api.errors import FieldError, duplicate, invalid


def node_errors(node: Node) -> list[FieldError]:
    return [*_taint_errors(node), *_range_errors(node), *_amount_errors(node)]


def _amount_errors(node: Node) -> Iterator[FieldError]:
    for field, amounts in (("capacity", node.status.capacity), ("allocatable", node.status.allocatable)):
        for name, amount in amounts.items():
            if amount.value < 0:
                yield invalid(f"status.{field}.{name}", amount, "must be greater than or equal to 0")


def _taint_errors(node: Node) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(node.spec.taints):
        if (taint.key, taint.effect) in seen:
            # The path is Kubernetes' own.
            error = duplicate(f"metadata.taints[{index}]", f"{taint.key}:{taint.effect}")
            why = f"{error.message}: taints must be unique by key and effect pair"
            yield FieldError(error.path, error.reason, why)
        seen.add((taint.key, taint.effect))


def _range_errors(node: Node) -> Iterator[FieldError]:
    for index, cidr in enumerate(node.spec.pod_cidrs or [one for one in (node.spec.pod_cidr,) if one]):
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            yield invalid(f"spec.podCIDRs[{index}]", cidr, why)

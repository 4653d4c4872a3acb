"""Namespaces."""

from api.core import Namespace
from api.errors import FieldError, invalid


def namespace_name_errors(namespace: Namespace) -> list[FieldError]:
    return [
        invalid(
            f"spec.finalizers[{index}]", name, "name is neither a standard finalizer name nor is it fully qualified"
        )
        for index, name in enumerate(namespace.spec.finalizers)
        if name != "kubernetes" and "/" not in name
    ]

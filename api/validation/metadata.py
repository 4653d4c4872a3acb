"""Names and metadata."""

from collections.abc import Callable

from api.core import Event, Namespace, Service
from api.errors import FieldError, forbidden, invalid, required, shown
from api.formats import dns_1035_label, dns_label, dns_subdomain, path_segment, qualified_name
from api.meta import Object, ObjectMeta, OwnerReference
from api.policy import PodDisruptionBudget
from api.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding

_STANDARD_FINALIZERS = ("foregroundDeletion", "kubernetes", "orphan")
_ANNOTATION_BYTES = 256 * 1024
_NAME_RULES: dict[type[Object], Callable[[str], str]] = {
    ClusterRole: path_segment,
    ClusterRoleBinding: path_segment,
    Event: path_segment,
    Namespace: dns_label,
    PodDisruptionBudget: path_segment,
    Role: path_segment,
    RoleBinding: path_segment,
    Service: dns_1035_label,
}


def metadata_errors(item: Object) -> list[FieldError]:
    metadata = item.metadata
    if not metadata.name:
        return [required("metadata.name", "name or generateName is required")]
    errors: list[FieldError] = []
    rule = _NAME_RULES.get(type(item), dns_subdomain)
    prefix = metadata.generate_name
    # What follows begins with a letter or digit, so a prefix may end in a dash or a dot.
    if prefix and (wrong := rule(prefix.rstrip("-.") or prefix)):
        errors.append(invalid("metadata.generateName", prefix, wrong))
    for index, finalizer in enumerate(metadata.finalizers):
        if wrong := _finalizer_name(finalizer):
            errors.append(invalid(f"metadata.finalizers[{index}]", finalizer, wrong))
    if wrong := rule(metadata.name):
        errors.append(invalid("metadata.name", metadata.name, wrong))
    size = sum(len(key) + len(value) for key, value in metadata.annotations.items())
    if size > _ANNOTATION_BYTES:
        errors.append(
            FieldError(
                "metadata.annotations", "FieldValueTooLong", f"Too long: may not be more than {_ANNOTATION_BYTES} bytes"
            )
        )
    for owner in metadata.owner_references:
        errors += _owner_errors(owner)
    if sum(1 for owner in metadata.owner_references if owner.controller) > 1:
        errors.append(invalid("metadata.ownerReferences", "", "Only one reference can have Controller set to true"))
    return errors


def _owner_errors(owner: OwnerReference) -> list[FieldError]:
    """Which of the references it is, Kubernetes does not tell."""
    group, _, version = owner.api_version.rpartition("/")
    said = {
        "apiVersion": (owner.api_version, "" if "/" in group else version, "version"),
        "kind": (owner.kind, owner.kind, "kind"),
        "name": (owner.name, owner.name, "name"),
        "uid": (owner.uid, owner.uid, "uid"),
    }
    return [
        invalid(f"metadata.ownerReferences.{field}", value, f"{what} must not be empty")
        for field, (value, told, what) in said.items()
        if not told
    ]


def _finalizer_name(value: str) -> str:
    if wrong := qualified_name(value):
        return wrong
    if "/" in value or value in _STANDARD_FINALIZERS:
        return ""
    return "name is neither a standard finalizer name nor is it fully qualified"


def metadata_update_errors(new: Object, old: Object) -> list[FieldError]:
    errors = [
        invalid(f"metadata.{wire}", value, "field is immutable")
        for wire, value, before in (
            ("name", new.metadata.name, old.metadata.name),
            ("namespace", new.metadata.namespace, old.metadata.namespace),
            ("uid", new.metadata.uid, old.metadata.uid),
        )
        if value != before
    ]
    return errors + _finalizer_errors(new.metadata, old.metadata)


def _finalizer_errors(new: ObjectMeta, old: ObjectMeta) -> list[FieldError]:
    before = set(old.finalizers)
    added = [name for name in new.finalizers if name not in before]
    if old.deletion_timestamp is not None and added:
        return [
            forbidden(
                "metadata.finalizers",
                f"no new finalizers can be added if the object is being deleted, found new finalizers {shown(added)}",
            )
        ]
    return []

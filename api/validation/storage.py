"""Persistent volumes and claims."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.codec import plain
from api.core.claim import PersistentVolumeClaimSpec
from api.core.storage import ACCESS_MODES, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec
from api.errors import FieldError, forbidden, invalid, not_supported, required
from api.formats import dns_subdomain, qualified_name
from api.schema import fields_of
from api.storage import StorageClass
from api.validation.affinity import node_selector_errors
from api.validation.foreign_volumes import foreign_errors
from api.validation.selectors import selector_errors

# Those that Kubernetes inlines into the spec.
_SOURCES = {one.attribute: one.wire for one in fields_of(PersistentVolumeSpec) if isinstance(one.spec.number, tuple)}
_CLAIM_FROZEN = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_MODES_ALONE = "may not use ReadWriteOncePod with other access modes"


def volume_errors(volume: PersistentVolume) -> list[FieldError]:
    spec = volume.spec
    errors = [*_mode_errors(spec.access_modes), *_capacity_errors(spec), *_source_errors(spec)]
    if spec.persistent_volume_reclaim_policy == "Recycle" and spec.host_path is None and spec.nfs is None:
        errors.append(forbidden("spec.persistentVolumeReclaimPolicy", "may only be 'Recycle' for hostPath and nfs"))
    errors += _class_name_errors(spec.storage_class_name)
    if spec.node_affinity is not None:
        if spec.node_affinity.required is None:
            errors.append(required("spec.nodeAffinity.required", "must specify required node constraints"))
        errors += node_selector_errors(spec.node_affinity.required, "spec.nodeAffinity.required")
    return errors


def _class_name_errors(name: str | None, path: str = "spec") -> Iterator[FieldError]:
    if name and (wrong := dns_subdomain(name)):
        yield invalid(f"{path}.storageClassName", name, wrong)


def _mode_errors(modes: Iterable[str], path: str = "spec") -> Iterator[FieldError]:
    given = list(modes)
    for mode in given:
        if mode not in ACCESS_MODES:
            yield not_supported(f"{path}.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in given and len(given) > 1:
        yield forbidden(f"{path}.accessModes", _MODES_ALONE)


def _capacity_errors(spec: PersistentVolumeSpec) -> Iterator[FieldError]:
    if spec.capacity and (list(spec.capacity) != ["storage"]):
        yield not_supported("spec.capacity", ",".join(spec.capacity), ("storage",))
    for name, amount in spec.capacity.items():
        if amount.value <= 0:
            yield invalid(f"spec.capacity[{name}]", amount, "must be greater than zero")


def _source_errors(spec: PersistentVolumeSpec) -> Iterator[FieldError]:
    given = [source for source in _SOURCES if getattr(spec, source) is not None]
    if not given:
        yield required("spec", "must specify a volume type")
    for extra in given[1:]:
        yield forbidden(f"spec.{_SOURCES[extra]}", "may not specify more than 1 volume type")
    if spec.host_path is not None and ".." in spec.host_path.path.split("/"):
        yield invalid("spec.hostPath.path", spec.host_path.path, "must not contain '..'")
    yield from foreign_errors(spec, "spec")
    if spec.local is not None and (spec.node_affinity is None or spec.node_affinity.required is None):
        yield required("spec.nodeAffinity", "Local volume requires node affinity")


def volume_update_errors(new: PersistentVolume, old: PersistentVolume) -> list[FieldError]:
    errors = []
    if any(getattr(new.spec, source) != getattr(old.spec, source) for source in _SOURCES):
        errors.append(
            forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
        )
    if new.spec.volume_mode != old.spec.volume_mode:
        errors.append(invalid("spec.volumeMode", new.spec.volume_mode, "field is immutable"))
    if old.spec.node_affinity is not None and new.spec.node_affinity != old.spec.node_affinity:
        errors.append(invalid("spec.nodeAffinity", plain(new.spec.node_affinity), "field is immutable"))
    return errors


def claim_errors(claim: PersistentVolumeClaim) -> list[FieldError]:
    return claim_spec_errors(claim.spec, "spec")


def claim_spec_errors(spec: PersistentVolumeClaimSpec, path: str) -> list[FieldError]:
    errors = [*_mode_errors(spec.access_modes, path), *selector_errors(spec.selector, f"{path}.selector")]
    amount = spec.resources.requests.get("storage") if spec.resources is not None else None
    if spec.resources is not None and amount is None:
        errors.append(required(f"{path}.resources[storage]"))
    elif amount is not None and amount.value <= 0:
        errors.append(invalid(f"{path}.resources[storage]", amount, "must be greater than zero"))
    return [*errors, *_class_name_errors(spec.storage_class_name, path)]


def claim_update_errors(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> list[FieldError]:
    """A claim may be given its volume, and, once bound, grow."""
    frozen = _frozen(new.spec)
    before = _frozen(old.spec)
    if not old.spec.volume_name:
        # The controller that binds it sets both.
        for name in ("volumeName", "storageClassName"):
            if not before.get(name):
                frozen.pop(name, None)
                before.pop(name, None)
    after_size, size = _requested(new.spec), _requested(old.spec)
    if frozen != before or (after_size != size and old.status.phase != "Bound"):
        return [forbidden("spec", _CLAIM_FROZEN)]
    if size is not None and after_size is not None and after_size.value < size.value:
        return [forbidden("spec.resources.requests.storage", "field can not be less than previous value")]
    return []


def _frozen(spec: PersistentVolumeClaimSpec) -> dict[str, Any]:
    document: dict[str, Any] = plain(spec)
    document.get("resources", {}).pop("requests", None)
    return document


def _requested(spec: PersistentVolumeClaimSpec) -> Any:
    return spec.resources.requests.get("storage") if spec.resources is not None else None


def storage_class_errors(item: StorageClass) -> list[FieldError]:
    wrong = qualified_name(item.provisioner.lower()) if item.provisioner else ""
    errors = [invalid("provisioner", item.provisioner, wrong)] if wrong else []
    for index, term in enumerate(item.allowed_topologies):
        for number, one in enumerate(term.match_label_expressions):
            if one.key and (wrong := qualified_name(one.key)):
                path = f"allowedTopologies[{index}].matchLabelExpressions[{number}].key"
                errors.append(invalid(path, one.key, wrong))
    return errors

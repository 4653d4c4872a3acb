"""Pods and pod templates: what depends on more than one field."""

from collections.abc import Collection, Iterable, Iterator

from api.codec import encode, plain
from api.core import (
    Container,
    EnvVar,
    EnvVarSource,
    EphemeralContainer,
    LifecycleHandler,
    Pod,
    PodSpec,
    Probe,
    Volume,
)
from api.defaulting import VOLUME_SOURCES
from api.errors import FieldError, duplicate, forbidden, invalid, required
from api.schema import by_wire
from api.struct import Struct, wire_name
from api.validation.amounts import container_amount_errors, whole_errors
from api.validation.foreign_volumes import foreign_errors
from api.validation.pod_details import (
    detail_errors,
    env_from_errors,
    env_prefix_errors,
    env_source_errors,
    source_errors,
)
from api.validation.storage import claim_spec_errors

_HANDLERS = ("exec", "http_get", "tcp_socket", "grpc", "sleep")
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_errors(pod: Pod) -> list[FieldError]:
    errors = list(pod_spec_errors(pod.spec, "spec"))
    if pod.spec.ephemeral_containers:
        errors += _ephemeral_errors(pod.spec)
    return errors


_NOT_FOR_EPHEMERAL = (
    "ports",
    "liveness_probe",
    "readiness_probe",
    "startup_probe",
    "lifecycle",
    "resize_policy",
    "restart_policy",
)


def _ephemeral_errors(spec: PodSpec) -> Iterator[FieldError]:
    """Containers added to a running pod: names of their own, and nothing that only the pod's start could honour."""
    names = [item.name for item in (*spec.init_containers, *spec.containers)]
    path, added = "spec.ephemeralContainers", spec.ephemeral_containers
    yield from _duplicates([item.name for item in added], path, "name", taken=names)
    wires = {field.attribute: wire for wire, field in by_wire(EphemeralContainer).items()}
    volumes = {volume.name for volume in spec.volumes}
    for index, container in enumerate(added):
        at = f"{path}[{index}]"
        for field in _NOT_FOR_EPHEMERAL:
            if getattr(container, field):
                yield forbidden(f"{at}.{wires[field]}", f"{wires[field]} may not be set for an Ephemeral Container")
        resources = container.resources
        if resources is not None and (resources.limits or resources.requests or resources.claims):
            yield forbidden(f"{at}.resources", "resources may not be set for an Ephemeral Container")
        target = container.target_container_name
        if target and target not in names:
            yield FieldError(f"{at}.targetContainerName", "FieldValueNotFound", f'Not found: "{target}"')
        yield from _container_errors(container, volumes, at)


def pod_create_errors(pod: Pod) -> list[FieldError]:
    """Faults that only a new pod can have."""
    added = pod.spec.ephemeral_containers
    return [forbidden("spec.ephemeralContainers", "cannot be set on create")] if added else []


def ephemeral_update_errors(new: Pod, old: Pod) -> list[FieldError]:
    """What was added once stays, unchanged."""
    path, known = "spec.ephemeralContainers", {item.name: item for item in new.spec.ephemeral_containers}
    errors = []
    for index, before in enumerate(old.spec.ephemeral_containers):
        if before.name not in known:
            detail = f"existing ephemeral containers {{{before.name}}} may not be removed"
            errors.append(forbidden(path, detail))
        elif known[before.name] != before:
            detail = f"existing ephemeral containers {{{before.name}}} may not be changed"
            errors.append(forbidden(f"{path}[{index}]", detail))
    return errors


def pod_spec_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """Faults of the spec of a pod, or of a template's, at ``path``."""
    yield from _duplicates([item.name for item in spec.volumes], f"{path}.volumes", "name")
    names = [item.name for item in spec.containers]
    yield from _duplicates(names, f"{path}.containers", "name")
    yield from _duplicates([item.name for item in spec.init_containers], f"{path}.initContainers", "name", taken=names)
    for index, volume in enumerate(spec.volumes):
        yield from _volume_errors(volume, f"{path}.volumes[{index}]")
    volumes = {volume.name for volume in spec.volumes}
    for group, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            yield from _container_errors(container, volumes, f"{path}.{group}[{index}]")
    if spec.resources is not None:
        yield from whole_errors(spec, spec.resources, f"{path}.resources")
    yield from _host_port_errors(spec, path)
    yield from detail_errors(spec, path)
    if spec.host_network and spec.hostname and "." in spec.hostname:
        yield invalid(f"{path}.hostname", spec.hostname, "must be a DNS label")


def _duplicates(values: Collection[str], path: str, field: str, *, taken: Collection[str] = ()) -> Iterator[FieldError]:
    seen = set(taken)
    if len(seen.union(values)) == len(taken) + len(values):
        return
    for index, value in enumerate(values):
        if value and value in seen:
            yield duplicate(f"{path}[{index}].{field}", value)
        seen.add(value)


def _volume_errors(volume: Volume, path: str) -> Iterator[FieldError]:
    given = [source for source in VOLUME_SOURCES if getattr(volume, source) is not None]
    for extra in given[1:]:
        yield forbidden(f"{path}.{wire_name(extra)}", "may not specify more than 1 volume type")
    yield from foreign_errors(volume, path)
    template = volume.ephemeral.volume_claim_template if volume.ephemeral is not None else None
    if template is not None and template.spec is not None:
        yield from claim_spec_errors(template.spec, f"{path}.ephemeral.volumeClaimTemplate.spec")
    yield from source_errors(volume, path)
    if volume.host_path is not None and ".." in volume.host_path.path.split("/"):
        yield invalid(f"{path}.hostPath.path", volume.host_path.path, "must not contain '..'")


def _container_errors(container: Container, volumes: set[str], path: str) -> Iterator[FieldError]:
    if container.image and container.image != container.image.strip():
        yield invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace")
    yield from _mount_errors(container, volumes, path)
    if len(container.ports) > 1:
        yield from _duplicates([port.name for port in container.ports], f"{path}.ports", "name")
    for index, variable in enumerate(container.env):
        if variable.value_from is not None:
            yield from _env_errors(variable, variable.value_from, f"{path}.env[{index}]")
    for index, source in enumerate(container.env_from):
        yield from env_from_errors(source, f"{path}.envFrom")
        yield from env_prefix_errors(source, f"{path}.envFrom[{index}]")
    context = container.security_context
    if context is not None and context.privileged and context.allow_privilege_escalation is False:
        why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield invalid(f"{path}.securityContext", "", why)
    if container.resources is not None:
        yield from container_amount_errors(container.resources, f"{path}.resources")
    probes = (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    )
    for name, probe in probes:
        if probe is not None:
            yield from _probe_errors(probe, f"{path}.{name}", succeeds_once=name != "readinessProbe")
    hooks = container.lifecycle
    if hooks is None:
        return
    for name, hook in (("postStart", hooks.post_start), ("preStop", hooks.pre_stop)):
        if hook is not None:
            yield from _handler_errors(hook, f"{path}.lifecycle.{name}")


def _mount_errors(container: Container, volumes: set[str], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        at = f"{path}.volumeMounts[{index}]"
        if mount.name and mount.name not in volumes:
            yield FieldError(f"{at}.name", "FieldValueNotFound", f'Not found: "{mount.name}"')
        if mount.mount_path in seen:
            yield invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        if ":" in mount.mount_path:
            yield invalid(f"{at}.mountPath", mount.mount_path, "must not contain ':'")
        seen.add(mount.mount_path)


def _env_errors(variable: EnvVar, source: EnvVarSource, path: str) -> Iterator[FieldError]:
    given = sum(
        item is not None
        for item in (source.field_ref, source.resource_field_ref, source.config_map_key_ref, source.secret_key_ref)
    )
    if variable.value:
        yield invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    if given == 0:
        yield invalid(
            f"{path}.valueFrom",
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        )
    elif given > 1:
        yield invalid(f"{path}.valueFrom", "", "may not have more than one field specified at a time")
    yield from env_source_errors(source, f"{path}.valueFrom")


def _probe_errors(probe: Probe, path: str, *, succeeds_once: bool) -> Iterator[FieldError]:
    yield from _handler_errors(probe, path)
    if succeeds_once and probe.success_threshold not in (0, 1):
        yield invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")


def _handler_errors(action: Probe | LifecycleHandler, path: str) -> Iterator[FieldError]:
    given = [handler for handler in _HANDLERS if getattr(action, handler, None) is not None]
    if not given:
        yield required(path, "must specify a handler type")
    for extra in given[1:]:
        yield forbidden(f"{path}.{wire_name(extra)}", "may not specify more than 1 handler type")
    if action.exec is not None and not action.exec.command:
        yield required(f"{path}.exec.command")


def _host_port_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    seen: set[tuple[str, str, int]] = set()
    for number, container in enumerate(spec.containers):
        for index, port in enumerate(container.ports):
            if not port.host_port:
                continue
            at = f"{path}.containers[{number}].ports[{index}].hostPort"
            if spec.host_network and port.host_port != port.container_port:
                wrong = f"{path}.containers[{number}].ports[{index}].containerPort"
                yield invalid(wrong, port.container_port, "must match `hostPort` when `hostNetwork` is true")
            wanted = (port.host_ip, port.protocol, port.host_port)
            if wanted in seen:
                yield duplicate(at, f"{port.protocol}/{port.host_ip}/{port.host_port}")
            seen.add(wanted)


def pod_update_errors(new: Pod, old: Pod) -> list[FieldError]:
    """Of a pod's spec only images may change, tolerations be added, gates be removed and the deadline come nearer."""
    if new.spec == old.spec:
        return []
    frozen, before = plain(new.spec), plain(old.spec)
    for spec, other in ((frozen, before), (before, frozen)):
        for key in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
            spec.pop(key, None)
        _drop_images(spec, other)
    if (old.spec.termination_grace_period_seconds or 0) < 0 and new.spec.termination_grace_period_seconds == 1:
        before["terminationGracePeriodSeconds"] = 1
    added = _marks(old.spec.tolerations) <= _marks(new.spec.tolerations)
    removed = _marks(new.spec.scheduling_gates) <= _marks(old.spec.scheduling_gates)
    errors = _deadline_errors(new.spec.active_deadline_seconds, old.spec.active_deadline_seconds)
    if frozen != before or not added or not removed:
        errors.append(forbidden("spec", _IMMUTABLE))
    return errors


def _marks(parts: Iterable[Struct]) -> set[bytes]:
    """What tells parts apart: two long lists of them are compared in one pass of each."""
    return {encode(part) for part in parts}


def _deadline_errors(new: int | None, old: int | None) -> list[FieldError]:
    if old is None or new == old:
        return []
    if new is None:
        return [invalid("spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value")]
    if new > old:
        return [invalid("spec.activeDeadlineSeconds", new, "must be less than or equal to previous value")]
    return []


def _drop_images(spec: dict[str, list[dict[str, object]]], other: dict[str, list[dict[str, object]]]) -> None:
    for group in ("containers", "initContainers"):
        if len(spec.get(group, [])) == len(other.get(group, [])):
            for container in spec.get(group, []):
                container.pop("image", None)

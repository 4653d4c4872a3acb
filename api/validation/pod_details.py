"""Rules of a pod's parts that few pods touch: tolerations, node affinity, names, DNS, references into the pod itself.

Each is asked for only where the part is there at all: most pods have none of them.
"""

import re
from collections.abc import Iterator
from typing import Final

from api.core import Container, EnvFromSource, PodSpec, Toleration, Volume
from api.core.container import EnvVarSource
from api.core.security import SeccompProfile, Sysctl
from api.core.volume import (
    DownwardAPIVolumeFile,
    ObjectFieldSelector,
    ProjectedVolumeSource,
    ResourceFieldSelector,
    VolumeProjection,
)
from api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from api.formats import config_key, dns_subdomain, env_name, ip, qualified_name
from api.validation.affinity import affinity_errors

_IN_ENV: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_IN_FILES: Final = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN: Final = frozenset((*_IN_ENV, *_IN_FILES, "spec.restartPolicy", "spec.schedulerName", "status.phase"))
_SUBSCRIPT: Final = re.compile(r"(metadata\.(?:annotations|labels))\['([^']*)'\]")
_AMOUNTS: Final = ("cpu", "ephemeral-storage", "memory")
_HUGE_PAGES: Final = "hugepages-"
_DIVISORS: Final = {"cpu": ("1m", "1")}
_SYSCTL_MAX: Final = 253
_ID_MAX: Final = 2**31 - 1
_SYSCTL_PART: Final = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_SHOWN: Final = rf"^({_SYSCTL_PART}[\./])*{_SYSCTL_PART}$"
_SYSCTL: Final = re.compile(_SYSCTL_SHOWN)


def detail_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    for index, toleration in enumerate(spec.tolerations):
        yield from _toleration_errors(toleration, f"{path}.tolerations[{index}]")
    if spec.affinity is not None:
        yield from affinity_errors(spec.affinity, f"{path}.affinity")
    if spec.dns_config is not None or spec.dns_policy == "None":
        yield from _dns_errors(spec, path)
    for index, alias in enumerate(spec.host_aliases):
        for name in alias.hostnames:
            if wrong := dns_subdomain(name):
                yield invalid(f"{path}.hostAliases[{index}].hostnames", name, wrong)
    yield from _name_errors(spec, path)
    if spec.security_context is not None:
        yield from _seccomp_errors(spec.security_context.seccomp_profile, f"{path}.securityContext.seccompProfile")
        yield from _sysctl_errors(spec.security_context.sysctls, f"{path}.securityContext.sysctls")
        for index, number in enumerate(spec.security_context.supplemental_groups):
            if not 0 <= number <= _ID_MAX:
                at = f"{path}.securityContext.supplementalGroups[{index}]"
                yield invalid(at, number, f"must be between 0 and {_ID_MAX}, inclusive")
    for group, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            if container.security_context is not None:
                at = f"{path}.{group}[{index}].securityContext.seccompProfile"
                yield from _seccomp_errors(container.security_context.seccomp_profile, at)
    if spec.share_process_namespace and spec.host_pid:
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.securityContext.shareProcessNamespace", True, why)
    for index, gate in enumerate(spec.readiness_gates):
        if wrong := qualified_name(gate.condition_type):
            yield invalid(f"{path}.readinessGates[{index}].conditionType", gate.condition_type, wrong)
    for index, container in enumerate(spec.init_containers):
        if container.restart_policy != "Always":
            yield from _init_errors(container, f"{path}.initContainers[{index}]")


def _seccomp_errors(profile: SeccompProfile | None, path: str) -> Iterator[FieldError]:
    if profile is None:
        return
    if profile.type == "Localhost" and profile.localhost_profile is None:
        yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
    elif profile.type != "Localhost" and profile.localhost_profile is not None:
        why = "can only be set when seccomp type is Localhost"
        yield invalid(f"{path}.localhostProfile", profile.localhost_profile, why)


def _sysctl_errors(sysctls: list[Sysctl], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, one in enumerate(sysctls):
        if one.name in seen:
            yield duplicate(f"{path}[{index}].name", one.name)
        elif len(one.name) > _SYSCTL_MAX or (one.name and not _SYSCTL.fullmatch(one.name)):
            why = f"must have at most {_SYSCTL_MAX} characters and match regex {_SYSCTL_SHOWN}"
            yield invalid(f"{path}[{index}].name", one.name, why)
        seen.add(one.name)


def _name_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    for field, value in (
        ("nodeName", spec.node_name),
        ("runtimeClassName", spec.runtime_class_name),
        ("serviceAccountName", spec.service_account_name),
    ):
        if value and (wrong := dns_subdomain(value)):
            yield invalid(f"{path}.{field}", value, wrong)


def _init_errors(container: Container, path: str) -> Iterator[FieldError]:
    for field, value in (
        ("lifecycle", container.lifecycle),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if value is not None:
            yield forbidden(f"{path}.{field}", "may not be set for init containers without restartPolicy=Always")


def _toleration_errors(toleration: Toleration, path: str) -> Iterator[FieldError]:
    operator = toleration.operator
    if toleration.key:
        if wrong := qualified_name(toleration.key):
            yield invalid(f"{path}.key", toleration.key, wrong)
    elif operator != "Exists":
        why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{path}.operator", operator, why)
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        yield invalid(f"{path}.effect", toleration.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator == "Exists" and toleration.value:
        yield invalid(f"{path}.operator", operator, "value must be empty when `operator` is 'Exists'")


def _dns_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    config = spec.dns_config
    if config is None:
        yield required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    if spec.dns_policy == "None" and not config.nameservers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{path}.dnsConfig.nameservers", why)
    for index, server in enumerate(config.nameservers):
        if wrong := ip(server):
            yield invalid(f"{path}.dnsConfig.nameservers[{index}]", server, wrong)
    for index, search in enumerate(config.searches):
        if search != "." and (wrong := dns_subdomain(search.rstrip("."))):
            yield invalid(f"{path}.dnsConfig.searches[{index}]", search, wrong)


def env_source_errors(source: EnvVarSource, path: str) -> Iterator[FieldError]:
    if source.field_ref is not None:
        yield from _field_errors(source.field_ref, f"{path}.fieldRef.fieldPath", _IN_ENV)
    if source.resource_field_ref is not None:
        yield from _resource_field_errors(source.resource_field_ref, f"{path}.resourceFieldRef", in_volume=False)
    for name, key in (("configMapKeyRef", source.config_map_key_ref), ("secretKeyRef", source.secret_key_ref)):
        if key is None:
            continue
        yield from _reference_errors(key.name, f"{path}.{name}.name")
        if key.key and (wrong := config_key(key.key)):
            yield invalid(f"{path}.{name}.key", key.key, wrong)


def _reference_errors(name: str, path: str) -> Iterator[FieldError]:
    """A config map or secret must be named, by a name that one can have."""
    if not name:
        yield required(path)
    elif wrong := dns_subdomain(name):
        yield invalid(path, name, wrong)


def _field_errors(reference: ObjectFieldSelector, path: str, supported: tuple[str, ...]) -> Iterator[FieldError]:
    value = reference.field_path
    if not value:
        return
    if subscript := _SUBSCRIPT.fullmatch(value):
        if wrong := qualified_name(subscript[2]):
            yield invalid(path, subscript[2], wrong)
    elif value not in _KNOWN:
        yield invalid(path, value, f"error converting fieldPath: field label not supported: {value}")
    elif value not in supported:
        yield not_supported(path, value, supported)


def _resource_field_errors(reference: ResourceFieldSelector, path: str, *, in_volume: bool) -> Iterator[FieldError]:
    if in_volume and not reference.container_name:
        yield required(f"{path}.containerName")
    if not reference.resource:
        return
    group, _, name = reference.resource.partition(".")
    if group not in ("limits", "requests") or not (name in _AMOUNTS or name.startswith(_HUGE_PAGES)):
        amounts = [f"{group}.{name}" for group in ("limits", "requests") for name in _AMOUNTS]
        yield not_supported(f"{path}.resource", reference.resource, amounts)
        return
    divisor, units = reference.divisor, _DIVISORS.get(name)
    if divisor is not None and divisor.value and units is not None and str(divisor) not in units:
        why = f"only divisor's values {' and '.join(units)} are supported with the cpu resource"
        yield invalid(f"{path}.divisor", reference.resource, why)


def env_from_errors(source: EnvFromSource, path: str) -> Iterator[FieldError]:
    """``path`` is that of the list, as Kubernetes has it for the source itself."""
    if source.config_map_ref is None and source.secret_ref is None:
        yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif source.config_map_ref is not None and source.secret_ref is not None:
        yield invalid(path, "", "may not have more than one field specified at a time")


def env_prefix_errors(source: EnvFromSource, path: str) -> Iterator[FieldError]:
    if source.prefix and (wrong := env_name(source.prefix)):
        yield invalid(f"{path}.prefix", source.prefix, wrong)
    for name, part in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref)):
        if part is not None:
            yield from _reference_errors(part.name, f"{path}.{name}.name")


def source_errors(volume: Volume, path: str) -> Iterator[FieldError]:
    """What a source must name."""
    if (
        volume.empty_dir is not None
        and volume.empty_dir.size_limit is not None
        and volume.empty_dir.size_limit.value < 0
    ):
        yield forbidden(f"{path}.emptyDir.sizeLimit", "SizeLimit field must be a valid resource quantity")
    if volume.secret is not None and not volume.secret.secret_name:
        yield required(f"{path}.secret.secretName")
    if volume.config_map is not None and not volume.config_map.name:
        yield required(f"{path}.configMap.name")
    if volume.nfs is not None and volume.nfs.path and not volume.nfs.path.startswith("/"):
        yield invalid(f"{path}.nfs.path", volume.nfs.path, "must be an absolute path")
    if volume.downward_api is not None:
        for one in volume.downward_api.items:
            yield from _file_errors(one, f"{path}.downwardAPI")
    if volume.projected is not None:
        for index, source in enumerate(volume.projected.sources):
            yield from _projection_errors(source, f"{path}.projected.sources[{index}]")
        yield from _path_errors(volume.projected, f"{path}.projected")


def _path_errors(projected: ProjectedVolumeSource, path: str) -> Iterator[FieldError]:
    """Two files of one path. Tokens do not count, as Kubernetes has it."""
    taken: set[str] = set()
    for source in projected.sources:
        named: list[tuple[str, str]] = []
        for part in (source.secret, source.config_map):
            named += [(part.name, item.path) for item in part.items] if part is not None else []
        if source.downward_api is not None:
            named += [(item.path, item.path) for item in source.downward_api.items]
        for told, file in named:
            if file and file in taken:
                yield invalid(path, told, "conflicting duplicate paths")
            taken.add(file)


def _projection_errors(source: VolumeProjection, path: str) -> Iterator[FieldError]:
    given = (source.secret, source.config_map, source.downward_api, source.service_account_token)
    if sum(part is not None for part in given) > 1:
        yield forbidden(path, "may not specify more than 1 volume type")
    for name, part in (("secret", source.secret), ("configMap", source.config_map)):
        if part is not None and not part.name:
            yield required(f"{path}.{name}.name")
    if source.downward_api is not None:
        for one in source.downward_api.items:
            yield from _file_errors(one, f"{path}.downwardAPI")


def _file_errors(item: DownwardAPIVolumeFile, path: str) -> Iterator[FieldError]:
    if item.field_ref is not None:
        yield from _field_errors(item.field_ref, f"{path}.fieldRef.fieldPath", _IN_FILES)
        if item.resource_field_ref is not None:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.resource_field_ref is not None:
        yield from _resource_field_errors(item.resource_field_ref, f"{path}.resourceFieldRef", in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")

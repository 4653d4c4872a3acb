"""The environment of a container: values, references, services, and $(VAR) in command and arguments. Pure.

What the references lead to is handed in; what is missing raises ConfigError, with the kubelet's own words, and the
container waits with CreateContainerConfigError.
"""

import re
from collections.abc import Mapping, Sequence

from agent.pods.problems import ConfigError
from agent.pods.qos import amount
from agent.pods.sources import Sources
from api.core import Container, EnvFromSource, EnvVar, EnvVarSource, Pod, Service
from api.scalars import Quantity

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))?")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
MASTER_SERVICE = ("default", "kubernetes")


def environment(pod: Pod, container: Container, sources: Sources) -> dict[str, str]:
    """Variables in order: services, then envFrom, then env; a later one wins. Raises ConfigError."""
    result = service_variables(pod, sources.services)
    for source in container.env_from:
        result |= _from_source(source, sources)
    for variable in container.env:
        value = _value(variable, pod, container, sources=sources, known=result)
        if value is not None:
            result[variable.name] = value
    return result


def expand(text: str, variables: Mapping[str, str]) -> str:
    """$(NAME) becomes the variable's value; an unknown one stays as it is; $$ is a dollar sign."""

    def replaced(match: re.Match[str]) -> str:
        if match.group(1) == "$":
            return "$"
        name = match.group(2)
        return variables.get(name, match.group(0)) if name is not None else "$"

    return _REFERENCE.sub(replaced, text)


def references_in(text: str) -> set[str]:
    """Names of the variables that a text refers to."""
    return {match.group(2) for match in _REFERENCE.finditer(text) if match.group(2) is not None}


def _value(
    variable: EnvVar, pod: Pod, container: Container, *, sources: Sources, known: Mapping[str, str]
) -> str | None:
    """None: an optional reference that leads nowhere; the variable is left out."""
    source = variable.value_from
    if source is None:
        return expand(variable.value, known)
    if source.field_ref is not None:
        return field_value(pod, source.field_ref.field_path, sources)
    if source.resource_field_ref is not None:
        reference = source.resource_field_ref
        owner = _container(pod, reference.container_name) if reference.container_name else container
        return resource_value(owner, reference.resource, reference.divisor, sources=sources)
    return _key_value(source, pod, sources)


def _container(pod: Pod, name: str) -> Container:
    for container in [*pod.spec.containers, *pod.spec.init_containers, *pod.spec.ephemeral_containers]:
        if container.name == name:
            return container
    raise ConfigError(f"container {name} not found")


def _key_value(source: EnvVarSource, pod: Pod, sources: Sources) -> str | None:
    namespace = pod.metadata.namespace
    if (ref := source.config_map_key_ref) is not None:
        found = sources.config_maps.get(ref.name)
        if found is None:
            return _missing(f'configmap "{ref.name}" not found', optional=ref.optional)
        if ref.key in found.data:
            return found.data[ref.key]
        told = f"couldn't find key {ref.key} in ConfigMap {namespace}/{ref.name}"
        return _missing(told, optional=ref.optional)
    if (secret_ref := source.secret_key_ref) is not None:
        secret = sources.secrets.get(secret_ref.name)
        if secret is None:
            return _missing(f'secret "{secret_ref.name}" not found', optional=secret_ref.optional)
        if secret_ref.key in secret.data:
            return secret.data[secret_ref.key].decode(errors="replace")
        told = f"couldn't find key {secret_ref.key} in Secret {namespace}/{secret_ref.name}"
        return _missing(told, optional=secret_ref.optional)
    raise ConfigError("valueFrom names no source that is known here")


def _missing(message: str, *, optional: bool | None) -> str | None:
    if not optional:
        raise ConfigError(message)
    return None


def _from_source(source: EnvFromSource, sources: Sources) -> dict[str, str]:
    values: dict[str, str] = {}
    if (ref := source.config_map_ref) is not None:
        found = sources.config_maps.get(ref.name)
        if found is None:
            _missing(f'configmap "{ref.name}" not found', optional=ref.optional)
        else:
            values = found.data
    elif (secret_ref := source.secret_ref) is not None:
        secret = sources.secrets.get(secret_ref.name)
        if secret is None:
            _missing(f'secret "{secret_ref.name}" not found', optional=secret_ref.optional)
        else:
            values = {key: value.decode(errors="replace") for key, value in secret.data.items()}
    prefixed = {source.prefix + key: value for key, value in values.items()}
    return {key: value for key, value in prefixed.items() if _ENV_NAME.fullmatch(key)}


def field_value(pod: Pod, path: str, sources: Sources) -> str:
    """A field of the pod by its path, as the downward API offers it. Raises ConfigError for another path."""
    meta = pod.metadata
    if keyed := _KEYED.fullmatch(path):
        values = meta.labels if keyed.group(1) == "labels" else meta.annotations
        return values.get(keyed.group(2), "")
    fields = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "metadata.labels": _lines(meta.labels),
        "metadata.annotations": _lines(meta.annotations),
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": sources.host_ip,
        "status.hostIPs": sources.host_ip,
        "status.podIP": sources.pod_ip,
        "status.podIPs": sources.pod_ip,
    }
    if path not in fields:
        raise ConfigError(f"fieldRef: unsupported fieldPath: {path}")
    return fields[path]


def _lines(values: Mapping[str, str]) -> str:
    escaped = {
        key: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for key, value in values.items()
    }
    return "\n".join(f'{key}="{escaped[key]}"' for key in sorted(escaped))


def resource_value(container: Container, resource: str, divisor: Quantity | None, *, sources: Sources) -> str:
    """A request or limit in units of the divisor, rounded up; a limit that is not set is what the machine has."""
    kind, _, name = resource.partition(".")
    if kind not in ("limits", "requests") or name not in ("cpu", "memory", "ephemeral-storage"):
        raise ConfigError(f"resourceFieldRef: unsupported resource: {resource}")
    found = amount(container, "limits" if kind == "limits" else "requests", name)
    if found is None and kind == "limits":
        machine = {"cpu": f"{sources.machine_cpu_millis}m", "memory": str(sources.machine_memory_bytes)}
        found = Quantity(machine.get(name, "0"))
    value = found.value if found is not None else Quantity("0").value
    unit = divisor.value if divisor is not None and divisor.value else Quantity("1").value
    return str(int((value / unit).to_integral_value(rounding="ROUND_CEILING")))


def service_variables(pod: Pod, services: Sequence[Service]) -> dict[str, str]:
    """Both forms of Kubernetes, for the services of the pod's namespace, and for the master always.

    https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
    """
    result: dict[str, str] = {}
    links = pod.spec.enable_service_links is not False
    for service in sorted(services, key=lambda item: item.metadata.name):
        identity = (service.metadata.namespace, service.metadata.name)
        if identity != MASTER_SERVICE and not (links and identity[0] == pod.metadata.namespace):
            continue
        if service.spec.cluster_ip not in ("", "None") and service.spec.ports:
            for name, value in _variables_of(service).items():
                result.setdefault(name, value)
    return result


def _variables_of(service: Service) -> dict[str, str]:
    prefix = service.metadata.name.upper().replace("-", "_")
    address, first = service.spec.cluster_ip, service.spec.ports[0]
    result = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(first.port)}
    for port in service.spec.ports:
        if port.name:
            result[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
    for index, port in enumerate(service.spec.ports):
        protocol = (port.protocol or "TCP").lower()
        url = f"{protocol}://{address}:{port.port}"
        if index == 0:
            result[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        result |= {link: url, f"{link}_PROTO": protocol, f"{link}_PORT": str(port.port), f"{link}_ADDR": address}
    return result

"""What configMap, secret, downwardAPI and projected volumes hold: files with content and mode. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.pods.environment import field_value, resource_value
from agent.pods.problems import ConfigError
from agent.pods.sources import Sources
from agent.volumes.tokens import key_of
from api.core import ConfigMap, Pod, Secret, Volume
from api.core.volume import DownwardAPIVolumeFile, KeyToPath, ServiceAccountTokenProjection

DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume; ``mode`` is permission bits."""

    content: bytes
    mode: int


Files = dict[str, File]


def files_of(volume: Volume, pod: Pod, sources: Sources) -> Files | None:
    """Relative path to file; None when the volume is of another kind. Raises ConfigError for what is missing."""
    if (config_map := volume.config_map) is not None:
        data = _config_map(sources.config_maps.get(config_map.name), config_map.name, bool(config_map.optional))
        return _picked(data, config_map.items, config_map.default_mode, optional=bool(config_map.optional))
    if (secret := volume.secret) is not None:
        data = _secret(sources.secrets.get(secret.secret_name), secret.secret_name, bool(secret.optional))
        return _picked(data, secret.items, secret.default_mode, optional=bool(secret.optional))
    if (downward := volume.downward_api) is not None:
        return _downward(downward.items, pod, sources, default_mode=downward.default_mode)
    if volume.projected is not None:
        return _projected(volume, pod, sources)
    return None


def _projected(volume: Volume, pod: Pod, sources: Sources) -> Files:
    assert volume.projected is not None
    result: Files = {}
    mode = volume.projected.default_mode
    for source in volume.projected.sources:
        if (config_map := source.config_map) is not None:
            data = _config_map(sources.config_maps.get(config_map.name), config_map.name, bool(config_map.optional))
            result |= _picked(data, config_map.items, mode, optional=bool(config_map.optional))
        elif (secret := source.secret) is not None:
            data = _secret(sources.secrets.get(secret.name), secret.name, bool(secret.optional))
            result |= _picked(data, secret.items, mode, optional=bool(secret.optional))
        elif source.downward_api is not None:
            result |= _downward(source.downward_api.items, pod, sources, default_mode=mode)
        elif (token := source.service_account_token) is not None:
            result[_safe(token.path)] = File(_token(token, sources).encode(), _token_mode(mode, pod))
        else:
            raise ConfigError(f"volume {volume.name}: a projected source of a kind that is not supported by this agent")
    return result


def _token(projection: ServiceAccountTokenProjection, sources: Sources) -> str:
    token = sources.tokens.get(key_of(projection))
    if token is None:
        raise ConfigError(f"failed to fetch token for {projection.path}")
    return token


def _token_mode(mode: int | None, pod: Pod) -> int:
    """A pod with a group of its own files keeps its token to it, as with the kubelet."""
    security = pod.spec.security_context
    if security is not None and security.fs_group is not None:
        return 0o600
    return DEFAULT_MODE if mode is None else mode


def _config_map(found: ConfigMap | None, name: str, optional: bool) -> Mapping[str, bytes]:
    if found is None:
        if optional:
            return {}
        raise ConfigError(f'configmap "{name}" not found')
    return {key: value.encode() for key, value in found.data.items()} | found.binary_data


def _secret(found: Secret | None, name: str, optional: bool) -> Mapping[str, bytes]:
    if found is None:
        if optional:
            return {}
        raise ConfigError(f'secret "{name}" not found')
    return found.data


def _picked(data: Mapping[str, bytes], items: list[KeyToPath], default_mode: int | None, *, optional: bool) -> Files:
    mode = DEFAULT_MODE if default_mode is None else default_mode
    if not items:
        return {key: File(content, mode) for key, content in data.items()}
    result: Files = {}
    for item in items:
        if item.key in data:
            result[_safe(item.path)] = File(data[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise ConfigError(f"references non-existent config key: {item.key}")
    return result


def _downward(items: Iterable[DownwardAPIVolumeFile], pod: Pod, sources: Sources, *, default_mode: int | None) -> Files:
    result: Files = {}
    for item in items:
        mode = item.mode if item.mode is not None else (DEFAULT_MODE if default_mode is None else default_mode)
        if item.field_ref is not None:
            text = field_value(pod, item.field_ref.field_path, sources)
        elif item.resource_field_ref is not None:
            reference = item.resource_field_ref
            owner = next((c for c in pod.spec.containers if c.name == reference.container_name), None)
            if owner is None:
                raise ConfigError(f"container {reference.container_name} not found")
            text = resource_value(owner, reference.resource, reference.divisor, sources=sources)
        else:
            raise ConfigError(f"downwardAPI file {item.path}: neither fieldRef nor resourceFieldRef")
        result[_safe(item.path)] = File(text.encode(), mode)
    return result


def _safe(path: str) -> str:
    """The API refuses such paths too; another API server may not."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ConfigError(f"path {path!r} leads out of the volume")
    return path

"""Fetches the config maps, secrets and claims that a pod refers to, when a container of it is started or refreshed."""

from typing import TypeVar

from agent.pods.claims import Claimed, bound_volume, claimed
from agent.pods.problems import ConfigError, not_had
from agent.pods.root_ca import ROOT_CA, RootCa
from agent.volumes.preparing import claims_of, referenced
from api.claiming import foreign, own_claims
from api.core import ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, Secret
from api.errors import ApiError, NotFound
from api.meta import Object
from client import Client, Unreachable

T = TypeVar("T", bound=Object)


class References:
    """Asks the API each time: a node may read only what its pods refer to, so there is nothing to watch."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._root_ca = RootCa(lambda namespace: self._get(ConfigMap, ROOT_CA, namespace))

    def of(self, pod: Pod) -> tuple[dict[str, ConfigMap | None], dict[str, Secret | None]]:
        """By name; None for one that does not exist. Raises ApiAway when the API cannot be asked."""
        config_maps, secrets = referenced(pod)
        namespace = pod.metadata.namespace
        return (
            {name: self._config_map(name, namespace) for name in config_maps},
            {name: self._get(Secret, name, namespace) for name in secrets},
        )

    def _config_map(self, name: str, namespace: str) -> ConfigMap | None:
        return self._root_ca.of(namespace) if name == ROOT_CA else self._get(ConfigMap, name, namespace)

    def claims(self, pod: Pod) -> dict[str, Claimed]:
        """What stands behind the pod's claims. Raises ConfigError for one that is not there or not bound."""
        return {name: self._claim(name, pod) for name in claims_of(pod)}

    def _claim(self, name: str, pod: Pod) -> Claimed:
        meta = pod.metadata
        claim = self._get(PersistentVolumeClaim, name, meta.namespace)
        if claim is None:
            raise ConfigError(f'persistentvolumeclaim "{name}" not found')
        if name in own_claims(pod) and (wrong := foreign(claim, meta.namespace, meta.name, meta.uid)):
            raise ConfigError(wrong)
        volume = self._get(PersistentVolume, bound_volume(claim), "")
        if volume is None:
            raise ConfigError(f'persistentvolume "{claim.spec.volume_name}" not found')
        return claimed(claim, volume)

    def pull_secrets(self, pod: Pod) -> tuple[list[Secret], list[str]]:
        """The secrets with registry credentials, and the names of those that could not be had: the pull goes on."""
        found, missing = [], []
        for reference in pod.spec.image_pull_secrets:
            try:
                secret = self._get(Secret, reference.name, pod.metadata.namespace)
            except ConfigError:
                secret = None
            if secret is None:
                missing.append(reference.name)
            else:
                found.append(secret)
        return found, missing

    def _get(self, kind: type[T], name: str, namespace: str) -> T | None:
        try:
            return self._client.get(kind, name, namespace)
        except NotFound:
            return None
        except (ApiError, Unreachable) as error:
            raise not_had(f'{kind.__name__.lower()} "{name}" could not be read: {error}', error) from error

"""The volume with which a pod calls the API: its account's token, the cluster's CA, and its namespace.

As in Kubernetes: ``kube-api-access-xxxxx``, read-only in every container at the path where client libraries look. A
container that mounts something there itself keeps that.

Source: k8s.io/kubernetes, plugin/pkg/admission/serviceaccount/admission.go.
"""

from api.core import Container, PodSpec, Volume, VolumeMount
from api.core.volume import (
    ConfigMapProjection,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    ObjectFieldSelector,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from master.apiserver.strategies import generated_name

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_PREFIX = "kube-api-access-"
_ROOT_CA = "kube-root-ca.crt"
# An hour, and seven seconds by which such tokens are told from those that somebody asked for.
_TOKEN_LIFE_S = 3607


def mount_api_access(spec: PodSpec) -> None:
    """Adds what is missing, in place."""
    lacking = [one for one in (*spec.init_containers, *spec.containers) if not _has_mount(one)]
    if not lacking:
        return
    there = next((volume.name for volume in spec.volumes if volume.name.startswith(_PREFIX)), "")
    name = there or generated_name(_PREFIX)
    for container in lacking:
        mount = VolumeMount(name=name, read_only=True, mount_path=MOUNT_PATH)
        container.volume_mounts = [*container.volume_mounts, mount]
    if not there:
        spec.volumes = [*spec.volumes, _volume(name)]


def _has_mount(container: Container) -> bool:
    return any(mount.mount_path == MOUNT_PATH for mount in container.volume_mounts)


def _volume(name: str) -> Volume:
    token = ServiceAccountTokenProjection(path="token", expiration_seconds=_TOKEN_LIFE_S)
    ca = ConfigMapProjection(name=_ROOT_CA, items=[KeyToPath(key="ca.crt", path="ca.crt")])
    field = ObjectFieldSelector(api_version="v1", field_path="metadata.namespace")
    namespace = DownwardAPIProjection(items=[DownwardAPIVolumeFile(path="namespace", field_ref=field)])
    sources = [
        VolumeProjection(service_account_token=token),
        VolumeProjection(config_map=ca),
        VolumeProjection(downward_api=namespace),
    ]
    return Volume(name=name, projected=ProjectedVolumeSource(sources=sources, default_mode=0o644))

"""Makes the volumes of a pod under its directory.

The layout is the kubelet's: <pod>/volumes/kubernetes.io~<kind>/<name>. Making is idempotent: what is there already is
kept, files of configMaps and the like are brought up to date. A kind that this agent does not have fails the start with
a message that names it.
"""

import os
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.pods.problems import ConfigError
from agent.pods.sources import Sources
from agent.volumes.files import Files, files_of
from agent.volumes.kinds import PREFIX, kind_of, plugin_of, unsupported
from agent.volumes.mounting import MountError, mount_nfs, mount_tmpfs
from agent.volumes.payload import is_written, write_payload
from api.claiming import claim_of
from api.core import Container, Pod, Volume
from api.core.volume import HostPathVolumeSource, NFSVolumeSource

_HOST_PATH_CHECKS: dict[str, tuple[str, Callable[[int], bool]]] = {
    "Directory": ("a directory", stat.S_ISDIR),
    "DirectoryOrCreate": ("a directory", stat.S_ISDIR),
    "File": ("a file", stat.S_ISREG),
    "FileOrCreate": ("a file", stat.S_ISREG),
    "Socket": ("a socket", stat.S_ISSOCK),
    "CharDevice": ("a character device", stat.S_ISCHR),
    "BlockDevice": ("a block device", stat.S_ISBLK),
}


class VolumeError(Exception):
    """A volume that cannot be had; the message names it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A volume that is there: its path on the host. ``written``: its files are the agent's, for containers to read."""

    path: Path
    read_only: bool = False
    written: bool = False


def claims_of(pod: Pod) -> set[str]:
    """Names of the claims that the pod's volumes refer to."""
    return {name for volume in pod.spec.volumes if (name := claim_of(volume, pod.metadata.name))}


def referenced(pod: Pod) -> tuple[set[str], set[str]]:
    """Names of the config maps and secrets that the pod's volumes and environment refer to."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            config_maps.add(volume.config_map.name)
        if volume.secret is not None:
            secrets.add(volume.secret.secret_name)
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.config_map is not None:
                config_maps.add(source.config_map.name)
            if source.secret is not None:
                secrets.add(source.secret.name)
    variables = variables_from(pod)
    return config_maps | variables[0], secrets | variables[1]


def variables_from(pod: Pod) -> tuple[set[str], set[str]]:
    """Names of the config maps and secrets that the environment of any of its containers refers to."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for container in [*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers]:
        _add_environment(container, config_maps, secrets)
    return config_maps, secrets


def _add_environment(container: Container, config_maps: set[str], secrets: set[str]) -> None:
    for variable in container.env:
        source = variable.value_from
        if source is not None and source.config_map_key_ref is not None:
            config_maps.add(source.config_map_key_ref.name)
        if source is not None and source.secret_key_ref is not None:
            secrets.add(source.secret_key_ref.name)
    for env_from in container.env_from:
        if env_from.config_map_ref is not None:
            config_maps.add(env_from.config_map_ref.name)
        if env_from.secret_ref is not None:
            secrets.add(env_from.secret_ref.name)


Made = Callable[[str, float, bool], None]  # the plugin's name, seconds, whether it went well


def prepare_volumes(pod: Pod, directory: Path, sources: Sources, made: Made = lambda *_: None) -> dict[str, Prepared]:
    """Makes all volumes, by name; ``made`` hears of each. Raises VolumeError."""
    if unmatched := {one.name: kind for one in pod.spec.volumes if (kind := unsupported(one)) is not None}:
        raise VolumeError(_no_plugin(unmatched))
    found = {}
    for volume in pod.spec.volumes:
        began, well = time.monotonic(), False
        try:
            found[volume.name] = _prepare(volume, pod, directory, sources)
            well = True
        finally:
            made(plugin_of(volume, pod.metadata.name, sources.claims), time.monotonic() - began, well)
    return found


def _no_plugin(kinds: dict[str, str]) -> str:
    """As the kubelet says it, and of which kind the first is; kinds: by the volume's name."""
    told = " ".join(kinds)
    name, kind = next(iter(kinds.items()))
    why = f'failed to get Plugin from volumeSpec for volume "{name}" err=no volume plugin matched'
    return (
        f"Unable to attach or mount volumes: unmounted volumes=[{told}], unattached volumes=[], "
        f"failed to process volumes=[{told}]: {why}{f': {kind} is not supported by this agent' if kind else ''}"
    )


def refreshable(pod: Pod) -> bool:
    """Whether the pod has volumes whose files may change while it runs."""
    return any(volume.downward_api or has_sources(volume) for volume in pod.spec.volumes)


def has_sources(volume: Volume) -> bool:
    """Whether the API must be asked for what the volume holds."""
    return bool(volume.config_map or volume.secret or volume.projected)


def refresh_volumes(pod: Pod, directory: Path, sources: Sources) -> list[str]:
    """Brings files up to date; names of the volumes that have changed. Raises VolumeError: the old files stay."""
    changed = []
    for volume in pod.spec.volumes:
        try:
            files = files_of(volume, pod, sources)
            if files is not None and _write(volume, files, directory / "volumes", pod):
                changed.append(volume.name)
        except (OSError, ConfigError, MountError) as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
    return changed


def _prepare(volume: Volume, pod: Pod, directory: Path, sources: Sources) -> Prepared:
    root = directory / "volumes"
    try:
        if volume.host_path is not None:
            return Prepared(_host_path(volume.host_path))
        if volume.nfs is not None:
            return _nfs(volume.name, volume.nfs, (), root=root)
        if claim := claim_of(volume, pod.metadata.name):
            wish = volume.persistent_volume_claim
            return _claim(claim, sources, root, read_only=wish is not None and wish.read_only)
        if sources.away and has_sources(volume):
            return _kept(volume, root, sources.away)
        files = files_of(volume, pod, sources)
        if files is not None:
            _write(volume, files, root, pod)
            return Prepared(_payload_path(volume, root), read_only=True, written=True)
        return Prepared(_empty_dir(volume, root, pod))
    except (OSError, subprocess.SubprocessError, ConfigError, VolumeError, MountError) as error:
        raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error


def _kept(volume: Volume, root: Path, away: str) -> Prepared:
    """The files as they were written last: a pod that runs restarts its containers also without the API."""
    path = _payload_path(volume, root)
    if not is_written(path):
        raise VolumeError(away)
    return Prepared(path, read_only=True, written=True)


def _claim(name: str, sources: Sources, root: Path, *, read_only: bool) -> Prepared:
    found = sources.claims.get(name)
    if found is None:
        raise VolumeError(f'persistentvolumeclaim "{name}" not found')
    if found.nfs is not None:
        ready = _nfs(found.volume, found.nfs, found.mount_options, root=root)
        return Prepared(ready.path, ready.read_only or read_only)
    assert found.host_path is not None
    return Prepared(_host_path(found.host_path), read_only)


def _nfs(name: str, source: NFSVolumeSource, options: Sequence[str], *, root: Path) -> Prepared:
    path = root / "kubernetes.io~nfs" / name
    path.mkdir(parents=True, exist_ok=True)
    mount_nfs(path, source, options)
    return Prepared(path, source.read_only)


def _empty_dir(volume: Volume, root: Path, pod: Pod) -> Path:
    """For all users, as in Kubernetes; on tmpfs when the medium is Memory."""
    path = root / "kubernetes.io~empty-dir" / volume.name
    source = volume.empty_dir
    path.mkdir(parents=True, exist_ok=True)
    if source is not None and source.medium == "Memory":
        mount_tmpfs(path, size_bytes=source.size_limit.units if source.size_limit else 0)
    elif source is not None and source.medium:
        raise VolumeError(f"emptyDir medium {source.medium!r} is not supported by this agent")
    path.chmod(0o777)
    _give_to_group(path, pod)
    return path


def _give_to_group(path: Path, pod: Pod) -> None:
    security = pod.spec.security_context
    if security is not None and security.fs_group is not None:
        os.chown(path, -1, security.fs_group)
        path.chmod(path.stat().st_mode | stat.S_ISGID | stat.S_IRWXG)


def _payload_path(volume: Volume, root: Path) -> Path:
    return root / f"{PREFIX}~{kind_of(volume)}" / volume.name


def _write(volume: Volume, files: Files, root: Path, pod: Pod) -> bool:
    """Whether the files have changed. Secrets and tokens are kept off the disk."""
    path = _payload_path(volume, root)
    path.mkdir(parents=True, exist_ok=True)
    if volume.secret is not None or volume.projected is not None:
        mount_tmpfs(path, size_bytes=0)
    security = pod.spec.security_context
    return write_payload(path, files, group=security.fs_group if security is not None else None)


def _host_path(source: HostPathVolumeSource) -> Path:
    path, kind = Path(source.path), source.type or ""
    if kind == "DirectoryOrCreate" or (kind == "" and not path.exists()):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if kind in _HOST_PATH_CHECKS:
        what, check = _HOST_PATH_CHECKS[kind]
        if not path.exists() or not check(path.stat().st_mode):
            raise VolumeError(f"hostPath type check failed: {path} is not {what}")
    return path

"""Makes the volumes of a pod under its directory, and tells where each container mounts them from.

The layout is the kubelet's: <pod>/volumes/kubernetes.io~<kind>/<name>. Making is idempotent: what is there already is
kept. A kind that this agent does not have fails the start with a message that names it.
"""

import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.pods.docker_config import Mount
from agent.pods.environment import ConfigError, Sources, expand
from agent.volumes.files import Files, files_of
from agent.volumes.removing import mount_points
from api.core import Container, Pod, Volume

_MOUNT_TIMEOUT_S = 10
_PROPAGATION = {None: "rprivate", "None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}
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
    for container in [*pod.spec.init_containers, *pod.spec.containers]:
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


def prepare_volumes(pod: Pod, directory: Path, sources: Sources) -> dict[str, Path]:
    """Makes all volumes; name to path on the host. Raises VolumeError."""
    return {volume.name: _prepare(volume, pod, directory, sources) for volume in pod.spec.volumes}


def _prepare(volume: Volume, pod: Pod, directory: Path, sources: Sources) -> Path:
    try:
        if volume.host_path is not None:
            return _host_path(volume)
        files = files_of(volume, pod, sources)
        if files is not None:
            return _projected(volume, files, directory / "volumes", pod)
        if volume.persistent_volume_claim is not None:
            raise VolumeError("persistentVolumeClaim is not supported by this agent")
        if volume.nfs is not None:
            raise VolumeError("nfs is not supported by this agent")
        return _empty_dir(volume, directory / "volumes", pod)
    except (OSError, subprocess.SubprocessError, ConfigError, VolumeError) as error:
        raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error


def _empty_dir(volume: Volume, root: Path, pod: Pod) -> Path:
    """For all users, as in Kubernetes; on tmpfs when the medium is Memory."""
    path = root / "kubernetes.io~empty-dir" / volume.name
    source = volume.empty_dir
    path.mkdir(parents=True, exist_ok=True)
    if source is not None and source.medium == "Memory":
        _mount_tmpfs(path, size_bytes=source.size_limit.units if source.size_limit else 0)
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


def _mount_tmpfs(path: Path, *, size_bytes: int) -> None:
    if str(path) in mount_points():
        return
    options = "nosuid,nodev" + (f",size={size_bytes}" if size_bytes else "")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_MOUNT_TIMEOUT_S, check=False)
    if done.returncode:
        raise VolumeError(f"mount: {done.stderr.strip()}")


def _projected(volume: Volume, files: Files, root: Path, pod: Pod) -> Path:
    """Secrets are kept off the disk. Existing content stays as it is while the pod lives."""
    kind = "secret" if volume.secret else "configmap" if volume.config_map else "projected"
    path = root / f"kubernetes.io~{'downward-api' if volume.downward_api else kind}" / volume.name
    path.mkdir(parents=True, exist_ok=True)
    if volume.secret is not None:
        _mount_tmpfs(path, size_bytes=0)
    if not (path / "..data").is_symlink():
        _write_files(path, files, pod)
    return path


def _write_files(path: Path, files: Files, pod: Pod) -> None:
    """As Kubernetes lays it out: content in a folder of its own, ``..data`` pointing to it, and a link for each top
    name; a start that is cut off leaves no ``..data``, and is done again."""
    content = path / "..content"
    content.mkdir(exist_ok=True)
    for name, file in files.items():
        target = content / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
        security = pod.spec.security_context
        if security is not None and security.fs_group is not None:
            os.chown(target, -1, security.fs_group)
            target.chmod(file.mode | stat.S_IRGRP)
    for top in {name.split("/")[0] for name in files}:
        if not (path / top).is_symlink():
            (path / top).symlink_to(f"..data/{top}")
    (path / "..data").symlink_to("..content")


def _host_path(volume: Volume) -> Path:
    assert volume.host_path is not None
    path, kind = Path(volume.host_path.path), volume.host_path.type or ""
    if kind == "DirectoryOrCreate" or (kind == "" and not path.exists()):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if kind in _HOST_PATH_CHECKS:
        what, check = _HOST_PATH_CHECKS[kind]
        if not path.exists() or not check(path.stat().st_mode):
            raise VolumeError(f"hostPath type check failed: {path} is not {what}")
    return path


def mounts_of(container: Container, volumes: Mapping[str, Path], env: Mapping[str, str]) -> list[Mount]:
    """What the container mounts. Raises VolumeError for a volume or path that is not there."""
    mounts = []
    for mount in container.volume_mounts:
        root = volumes.get(mount.name)
        if root is None:
            raise VolumeError(f"cannot find volume {mount.name!r} to mount into container {container.name!r}")
        if mount.recursive_read_only == "Enabled":
            raise VolumeError(f"volume {mount.name!r}: recursiveReadOnly is not supported by this agent")
        sub_path = expand(mount.sub_path_expr, env) if mount.sub_path_expr else mount.sub_path
        source = _sub_path(root, sub_path) if sub_path else root
        mounts.append(Mount(str(source), mount.mount_path, mount.read_only, _PROPAGATION[mount.mount_propagation]))
    return mounts


def _sub_path(root: Path, sub_path: str) -> Path:
    """A path within the volume, made when it is missing; refused when a link leads out of the volume."""
    inside = root.resolve()
    path = (inside / sub_path).resolve()
    if not path.is_relative_to(inside):
        raise VolumeError(f"subPath {sub_path!r} leads out of the volume")
    if not path.exists():
        path.mkdir(parents=True)
    return path

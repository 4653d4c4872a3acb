"""What a container mounts of its pod's volumes, and the one way into a volume that a container cannot bend.

A container may change a directory into a link between the moment when a path is looked at and the moment when Docker
mounts it. So a subPath is opened step by step, following no link, and what was opened is bound to a place in the pod's
own directory, which is what Docker gets: <pod>/volume-subpaths/<volume>/<container>/<number>, as with the kubelet
(CVE-2017-1002101). Such a bind takes no part in mounts elsewhere, so that removing it never removes another.
"""

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.pods.docker_config import Mount
from agent.pods.environment import expand, references_in
from agent.pods.problems import ConfigError
from agent.volumes.mounting import MountError, bind, is_mounted, set_apart, unmount
from agent.volumes.preparing import Prepared
from agent.volumes.removing import SUB_PATHS
from api.core import Container, VolumeMount

_PROPAGATION = {None: "rprivate", "None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}


def mounts_of(
    container: Container, volumes: Mapping[str, Prepared], env: Mapping[str, str], directory: Path
) -> list[Mount]:
    """What the container mounts; ``directory`` is the pod's. Raises ConfigError for what cannot be had."""
    mounts = []
    for number, mount in enumerate(container.volume_mounts):
        volume = volumes.get(mount.name)
        if volume is None:
            raise ConfigError(f"cannot find volume {mount.name!r} to mount into container {container.name!r}")
        if mount.recursive_read_only == "Enabled":
            raise ConfigError(f"volume {mount.name!r}: recursiveReadOnly is not supported by this agent")
        source, propagation = volume.path, _PROPAGATION[mount.mount_propagation]
        if sub_path := _expanded(mount.sub_path_expr, env) if mount.sub_path_expr else mount.sub_path:
            place = directory / SUB_PATHS / mount.name / container.name / str(number)
            source = _prepared_sub_path(container, mount, volume.path, sub_path, place)
        mounts.append(Mount(str(source), mount.mount_path, mount.read_only or volume.read_only, propagation))
    return mounts


def make_places(mounts: Sequence[Mount], *, within: Collection[str]) -> None:
    """Makes the places of mounts inside of volumes that containers cannot write: Docker could not make them there.

    ``within``: the paths of such volumes. Raises OSError.
    """
    for outer in mounts:
        for inner in mounts if outer.source in within else ():
            if not inner.target.startswith(f"{outer.target.rstrip('/')}/"):
                continue
            place = Path(outer.source) / inner.target[len(outer.target.rstrip("/")) + 1 :]
            if not place.exists():
                place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                _make_place(place, directory=Path(inner.source).is_dir())


def _expanded(text: str, env: Mapping[str, str]) -> str:
    """Raises ConfigError for a variable that is missing or empty: the path would be another one."""
    if missing := sorted(name for name in references_in(text) if not env.get(name)):
        raise ConfigError(f"missing value for {', '.join(missing)}")
    return expand(text, env)


def _prepared_sub_path(container: Container, mount: VolumeMount, volume: Path, sub_path: str, place: Path) -> Path:
    """With the kubelet's words for a failure."""
    told = f'failed to prepare subPath for volumeMount "{mount.name}" of container "{container.name}"'
    if mount.mount_propagation == "Bidirectional":
        raise ConfigError(f"{told}: mountPropagation Bidirectional is not supported by this agent with a subPath")
    try:
        bind_sub_path(volume, sub_path, place, private=mount.mount_propagation != "HostToContainer")
    except (OSError, MountError) as error:
        raise ConfigError(f"{told}: {error}") from error
    return place


def bind_sub_path(volume: Path, sub_path: str, place: Path, *, private: bool) -> None:
    """Makes the path within the volume visible at ``place``.

    Raises OSError, MountError, and ConfigError for a path that leads out of the volume, or that is changed meanwhile.
    """
    with _opened(volume, sub_path) as opened:
        status = os.fstat(opened)
        if is_mounted(place) and not os.path.samestat(place.stat(), status):
            unmount(place)
        if not is_mounted(place):
            _make_place(place, directory=stat.S_ISDIR(status.st_mode))
            bind(opened, place)
    # Also what was bound by an agent that was killed just then.
    set_apart(place, private=private)


def _make_place(place: Path, *, directory: bool) -> None:
    """A directory is bound to a directory, all else to a file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not directory:
        place.rmdir()
    elif place.exists() and not place.is_dir() and directory:
        place.unlink()
    if directory:
        place.mkdir(exist_ok=True)
    else:
        place.touch()


@contextmanager
def _opened(volume: Path, sub_path: str) -> Iterator[int]:
    """A descriptor of the path, made when it is missing. Links that stay within the volume are followed, before."""
    inside = Path(os.path.realpath(volume))
    path = Path(os.path.realpath(inside / sub_path))  # which minds no links that lead in a circle
    if not path.is_relative_to(inside):
        raise ConfigError(f"subPath {sub_path!r} leads out of the volume")
    opened = os.open(inside, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        like = os.fstat(opened)
        for name in path.relative_to(inside).parts:
            opened, folder = _step(opened, name, like), opened
            os.close(folder)
        yield opened
    finally:
        os.close(opened)


def _step(folder: int, name: str, like: os.stat_result) -> int:
    try:
        opened = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return _made_alike(folder, name, like)
    if stat.S_ISLNK(os.fstat(opened).st_mode):
        os.close(opened)
        raise ConfigError(f"{name!r} was changed into a link")
    return opened


def _made_alike(folder: int, name: str, like: os.stat_result) -> int:
    """A directory that belongs to the volume's owners and may be used by whoever may use the volume."""
    os.mkdir(name, dir_fd=folder)
    opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.fchown(opened, like.st_uid, like.st_gid)
        os.fchmod(opened, stat.S_IMODE(like.st_mode))
    except OSError:
        os.close(opened)
        raise
    return opened

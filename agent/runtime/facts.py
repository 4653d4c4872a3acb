"""What Docker tells of itself and of images, read from its answers. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image on this host. ``user`` is the USER of its configuration, ``env`` its variables."""

    id: str
    user: str = ""
    env: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """Version of the daemon, of its API, where it keeps its data, and how it makes cgroups."""

    version: str
    api_version: tuple[int, ...]
    architecture: str
    data_dir: str = ""
    cgroup_driver: str = ""
    rootless: bool = False


def daemon_facts(version: Mapping[str, Any], info: Mapping[str, Any]) -> DaemonFacts:
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    rootless = any("name=rootless" in option for option in info.get("SecurityOptions") or ())
    data_dir, driver = info.get("DockerRootDir", ""), info.get("CgroupDriver", "")
    return DaemonFacts(version["Version"], api, version["Arch"], data_dir, driver, rootless)


def image_from_inspect(document: Mapping[str, Any]) -> ImageFacts:
    config = document.get("Config") or {}
    return ImageFacts(
        id=document["Id"], user=config.get("User") or "", env=tuple(config.get("Env") or ()),
        names=(*_named(document.get("RepoTags")), *_named(document.get("RepoDigests"))),
        size_bytes=document.get("Size", 0),
    )  # fmt: skip


def image_from_row(row: Mapping[str, Any], *, every_name: bool = False) -> ImageFacts:
    """One of a list. Its names are tags, or digests where there is no tag; or both, with ``every_name``."""
    tags, digests = _named(row.get("RepoTags")), _named(row.get("RepoDigests"))
    names = (*tags, *digests) if every_name else tags or digests
    return ImageFacts(row["Id"], names=names, size_bytes=row.get("Size", 0))


def state_of(row: Mapping[str, Any]) -> str:
    """Of a container in a list. Docker before 1.13 tells only "Up 3 minutes"."""
    state: str = row.get("State") or ("running" if row["Status"].startswith("Up") else "exited")
    return state


def familiar(name: str) -> str:
    """As Docker tells it: without the registry that goes without saying. Podman tells it in full."""
    return name.removeprefix("docker.io/library/").removeprefix("docker.io/")


def _named(names: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(familiar(name) for name in names or () if not name.startswith("<none>"))

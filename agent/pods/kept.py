"""What the API told for a pod's variables and claims, kept beside the pod's other files.

A container must be able to start again without the master, also after a restart of the agent. The folder is for root
alone and goes with the pod. It lies in memory when secrets are in it: those survive the agent, not the host.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from agent.pods.claims import Claimed
from agent.pods.sources import Sources
from agent.volumes.mounting import MountError, mount_tmpfs
from agent.volumes.preparing import claims_of, variables_from
from api.codec import decode, encode
from api.core import ConfigMap, Pod, Secret
from client.files import write_atomically

log = logging.getLogger(__name__)

_FOLDER, _FILE = "kept", "references.json"
T = TypeVar("T")


class _Kept(msgspec.Struct, kw_only=True):
    """The file."""

    config_maps: dict[str, ConfigMap | None] = {}
    secrets: dict[str, Secret | None] = {}
    claims: dict[str, Claimed] = {}


class Kept:
    """``directory(uid)`` is the pod's. Written by the worker that has the pod."""

    def __init__(self, directory: Callable[[str], Path]) -> None:
        self._directory = directory

    def save(self, pod: Pod, sources: Sources) -> None:
        """Whole or not at all: another name first. What cannot be kept is no reason not to start."""
        config_maps, secrets = variables_from(pod)
        kept = _Kept(
            config_maps=_only(sources.config_maps, config_maps),
            secrets=_only(sources.secrets, secrets),
            claims=_only(sources.claims, claims_of(pod)),
        )
        if not (kept.config_maps or kept.secrets or kept.claims):
            return
        folder = self._folder(pod)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if kept.secrets:
                mount_tmpfs(folder, size_bytes=0)
                folder.chmod(0o700)
            _write(folder / _FILE, encode(kept))
        except (OSError, MountError) as error:
            meta = pod.metadata
            log.warning("references not kept pod=%s/%s error=%s", meta.namespace, meta.name, error)

    def load(self, pod: Pod) -> Sources | None:
        """Config maps and secrets of variables, and claims; None when some were never had."""
        config_maps, secrets = variables_from(pod)
        claims = claims_of(pod)
        kept = self._read(pod) if config_maps or secrets or claims else _Kept()
        if kept is None or config_maps - kept.config_maps.keys() or secrets - kept.secrets.keys():
            return None
        if claims - kept.claims.keys():
            return None
        return Sources(config_maps=kept.config_maps, secrets=kept.secrets, claims=kept.claims)

    def claims(self, pod: Pod) -> dict[str, Claimed]:
        """What stood behind the pod's claims when it was started last, as far as it is known."""
        kept = self._read(pod) if claims_of(pod) else None
        return kept.claims if kept is not None else {}

    def _read(self, pod: Pod) -> _Kept | None:
        path = self._folder(pod) / _FILE
        try:
            return decode(path.read_bytes(), _Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("kept references ignored path=%s error=%s", path, error)
            return None

    def _folder(self, pod: Pod) -> Path:
        return self._directory(pod.metadata.uid) / _FOLDER


def with_kept(facts: Sources, kept: Sources, away: str) -> Sources:
    """What this node knows by itself, and what it kept."""
    return dataclasses.replace(facts, config_maps=kept.config_maps, secrets=kept.secrets, claims=kept.claims, away=away)


def _only(found: Mapping[str, T], names: set[str]) -> dict[str, T]:
    return {name: value for name, value in found.items() if name in names}


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    write_atomically(path, content, mode=0o600, durable=False)

"""Static pods: pods that a folder of manifest files asks for, whether or not there is a master.

Names, uids and annotations are the kubelet's: <name>-<node>, and a uid made from the content, so that a changed file is
another pod. A file that is no pod is refused with a line in the log, and costs only itself; while a file cannot be read
or is half written, the pod that it asked for before goes on.
"""

import hashlib
import logging
import re
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import yaml

from api import defaulting
from api.codec import convert, encode
from api.core import Pod, Toleration
from api.strict import unknown_fields
from api.validation import validate_create

log = logging.getLogger(__name__)

SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
MIRROR = "kubernetes.io/config.mirror"
_SUFFIXES = (".yaml", ".yml", ".json")
_KIND_OF_VOLUME = re.compile(r"spec\.volumes\[\d+\]\.\w+")
_FILE_LIMIT_BYTES = 1024 * 1024


class ManifestError(Exception):
    """A file that is no pod; the message says why."""


def is_static(pod: Pod) -> bool:
    return pod.metadata.annotations.get(SOURCE) == "file" and MIRROR not in pod.metadata.annotations


def is_mirror(pod: Pod) -> bool:
    return MIRROR in pod.metadata.annotations


def static_pod(content: bytes, *, node: str, origin: str) -> Pod:
    """The pod that a manifest asks for. Raises ManifestError."""
    try:
        document = yaml.safe_load(content)
        pod = convert(document, Pod)
    except (yaml.YAMLError, msgspec.MsgspecError, ValueError, TypeError) as error:
        raise ManifestError(f"not readable: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "Pod":
        raise ManifestError("kind: must be Pod")
    if unknown := [path for path in unknown_fields(document, Pod) if _KIND_OF_VOLUME.fullmatch(path)]:
        raise ManifestError(f"{unknown[0]}: no volume plugin matched")
    meta = pod.metadata
    meta.name, meta.namespace = f"{meta.name}-{node}", meta.namespace or "default"
    pod.spec.node_name = node
    defaulting.apply(pod)
    if errors := validate_create(pod):
        raise ManifestError("; ".join(str(error) for error in errors))
    meta.uid = str(uuid.UUID(bytes=hashlib.md5(encode([origin, node, document]), usedforsecurity=False).digest()))
    meta.annotations |= {SOURCE: "file", HASH: meta.uid}
    # Nothing that the master says of the node ends a static pod.
    pod.spec.tolerations.append(Toleration(operator="Exists", effect="NoExecute"))
    return pod


def mirror_of(pod: Pod) -> Pod:
    """What stands in the API for a static pod."""
    copy = convert(msgspec.to_builtins(msgspec.json.decode(encode(pod))), Pod)
    copy.metadata.uid = ""
    copy.metadata.annotations[MIRROR] = pod.metadata.uid
    return copy


class ManifestFolder:
    """A thread that looks at the folder every few seconds. ``on_pods`` is told all pods when they have changed."""

    def __init__(self, folder: Path, *, node: str, look_s: float, on_pods: Callable[[Sequence[Pod]], None]) -> None:
        self._folder = folder
        self._node = node
        self._look_s = look_s
        self._on_pods = on_pods
        self._seen: dict[Path, tuple[tuple[int, int, int], Pod | None]] = {}
        self._refused: set[Path] = set()
        self._told: list[str] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent-manifests", daemon=True)

    def start(self) -> None:
        """The first look is taken at once, here: what it finds is wanted before anything is ended."""
        self.look()
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        self._stop.set()
        self._thread.join(timeout_s)

    @property
    def refused(self) -> bool:
        """Whether a file that is there now is no pod, or cannot be read."""
        return bool(self._refused)

    def _run(self) -> None:
        while not self._stop.wait(self._look_s):
            self.look()

    def look(self) -> None:
        try:
            files = [path for path in sorted(self._folder.iterdir()) if _is_manifest(path)]
        except FileNotFoundError:
            files = []
        except OSError as error:
            log.warning("manifests not listed folder=%s error=%s", self._folder, error)
            return
        self._refused &= set(files)
        self._seen = {path: self._looked_at(path) for path in files}
        pods = {pod.metadata.uid: pod for _, pod in self._seen.values() if pod is not None}
        if self._told != sorted(pods):
            self._told = sorted(pods)
            self._on_pods(list(pods.values()))

    def _looked_at(self, path: Path) -> tuple[tuple[int, int, int], Pod | None]:
        """Read only when it has changed."""
        known = self._seen.get(path, ((0, 0, 0), None))
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == known[0]:
                return known
            if status.st_size > _FILE_LIMIT_BYTES:
                raise ManifestError(f"larger than {_FILE_LIMIT_BYTES} bytes")
            pod = static_pod(path.read_bytes(), node=self._node, origin=str(path))
            self._refused.discard(path)
            return stamp, pod
        except FileNotFoundError:
            return (0, 0, 0), None
        except (OSError, ManifestError) as error:
            self._refused.add(path)
            log.error("manifest ignored path=%s error=%s", path, error)
            return known[0] if isinstance(error, OSError) else stamp, known[1]


def _is_manifest(path: Path) -> bool:
    return path.suffix in _SUFFIXES and not path.name.startswith(".")

"""The pods of this node as they are wanted: from the API, and from disk until the API has been reached.

The rule: a pod counts as gone only when a list from the API lacks it. What was accepted is written under the pod's
directory, so that an agent that starts while the master is away goes on looking after its pods.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from api.codec import decode, encode
from api.core import Pod

log = logging.getLogger(__name__)

_FILE = "pod.json"


class PodStore:
    """Thread-safe. ``on_change(uid)`` is called for each pod that is new, changed or gone."""

    def __init__(self, directory: Path, on_change: Callable[[str], None]) -> None:
        self._directory = directory
        self._on_change = on_change
        self._lock = threading.Lock()
        self._pods: dict[str, Pod] = {}
        self._listed = False

    def directory_of(self, uid: str) -> Path:
        return self._directory / uid

    def load(self) -> None:
        """Takes in what an earlier agent wrote."""
        for path in self._directory.glob(f"*/{_FILE}"):
            try:
                pod = decode(path.read_bytes(), Pod)
            except (OSError, msgspec.MsgspecError) as error:
                log.warning("stored pod ignored path=%s error=%s", path, error)
                continue
            if pod.metadata.uid == path.parent.name:
                with self._lock:
                    self._pods.setdefault(pod.metadata.uid, pod)

    def save(self, pod: Pod) -> None:
        """Writes a pod that was accepted. Whole or not at all: another name first."""
        path = self.directory_of(pod.metadata.uid) / _FILE
        content = encode(pod)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)
        temporary.replace(path)

    def take(self, old: Pod | None, new: Pod | None) -> None:
        """A change told by the informer."""
        with self._lock:
            if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
                self._pods.pop(old.metadata.uid, None)
            if new is not None:
                self._pods[new.metadata.uid] = new
        for pod in (old, new):
            if pod is not None:
                self._on_change(pod.metadata.uid)

    def settle(self, listed: list[Pod]) -> None:
        """The API has been listed: pods on disk that it does not have are gone."""
        present = {pod.metadata.uid for pod in listed}
        with self._lock:
            gone = [uid for uid in self._pods if uid not in present]
            for uid in gone:
                del self._pods[uid]
            self._listed = True
        for uid in {*gone, *self.on_disk()}:
            self._on_change(uid)

    def on_disk(self) -> list[str]:
        """Uids that have a directory."""
        return [path.name for path in self._directory.glob("*") if path.is_dir()]

    def get(self, uid: str) -> Pod | None:
        with self._lock:
            return self._pods.get(uid)

    def is_gone(self, uid: str) -> bool:
        """Whether the API is known not to have it."""
        with self._lock:
            return self._listed and uid not in self._pods

    def all(self) -> list[Pod]:
        with self._lock:
            return list(self._pods.values())

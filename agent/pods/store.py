"""The pods of this node as they are wanted: from the API, and from disk until the API has been reached.

The rule: a pod counts as gone only when a list from the API lacks it. What was accepted is written under the pod's
directory, so that an agent that starts while the master is away goes on looking after its pods. Static pods come from
their folder instead; what the API has of them are mirrors, which are kept apart.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from agent.pods.manifests import MIRROR, is_mirror
from api.codec import decode, encode
from api.core import Pod
from client.files import write_atomically

log = logging.getLogger(__name__)

_FILE = "pod.json"
Name = tuple[str, str]  # namespace, name


class PodStore:
    """Thread-safe. ``on_change(uid)`` is called for each pod that is new, changed or gone.

    ``on_mirror(namespace, name)``: a static pod or its mirror has come, changed or gone.
    """

    def __init__(
        self, directory: Path, on_change: Callable[[str], None], on_mirror: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self._directory = directory
        self._on_change = on_change
        self._on_mirror = on_mirror
        self._lock = threading.Lock()
        self._pods: dict[str, Pod] = {}
        self._static: dict[str, Pod] = {}
        self._static_gone: set[str] = set()
        self._mirrors: dict[Name, Pod] = {}
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
        """Writes a pod that was accepted. Raises OSError."""
        path = self.directory_of(pod.metadata.uid) / _FILE
        content = encode(pod)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomically(path, content, mode=0o600, durable=False)

    def take(self, old: Pod | None, new: Pod | None) -> None:
        """A change told by the informer."""
        if old is not None and is_mirror(old):
            self._drop_mirror(old)
            old = None
        if new is not None and is_mirror(new):
            self._take_mirror(new)
            new = None
        with self._lock:
            if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
                self._pods.pop(old.metadata.uid, None)
            if new is not None:
                self._pods[new.metadata.uid] = new
        for pod in (old, new):
            if pod is not None:
                self._on_change(pod.metadata.uid)

    def _drop_mirror(self, mirror: Pod) -> None:
        name = _name(mirror)
        with self._lock:
            self._mirrors.pop(name, None)
        self._on_mirror(*name)

    def _take_mirror(self, mirror: Pod) -> None:
        name = _name(mirror)
        with self._lock:
            self._mirrors[name] = mirror
        self._on_mirror(*name)
        pod = self.static(*name)
        if pod is not None:
            self._on_change(pod.metadata.uid)

    def set_static(self, pods: Sequence[Pod]) -> None:
        """All static pods, as the folder has them now."""
        with self._lock:
            before, self._static = self._static, {pod.metadata.uid: pod for pod in pods}
            changed = before.keys() ^ self._static.keys()
            self._static_gone = (self._static_gone | before.keys()) - self._static.keys()
            names = {_name(pod) for uid, pod in {**before, **self._static}.items() if uid in changed}
        for uid in changed:
            self._on_change(uid)
        for name in names:
            self._on_mirror(*name)

    def static(self, namespace: str, name: str) -> Pod | None:
        with self._lock:
            return next((pod for pod in self._static.values() if _name(pod) == (namespace, name)), None)

    def mirror(self, namespace: str, name: str) -> Pod | None:
        with self._lock:
            return self._mirrors.get((namespace, name))

    def mirror_of(self, pod: Pod) -> Pod | None:
        """What the API has of this very static pod."""
        mirror = self.mirror(*_name(pod))
        ours = mirror is not None and mirror.metadata.annotations.get(MIRROR) == pod.metadata.uid
        return mirror if ours else None

    @property
    def listed(self) -> bool:
        """Whether the API has been reached."""
        with self._lock:
            return self._listed

    def settle(self, listed: list[Pod]) -> None:
        """The API has been listed: pods on disk that it does not have are gone."""
        present = {pod.metadata.uid for pod in listed if not is_mirror(pod)}
        with self._lock:
            gone = [uid for uid in self._pods if uid not in present]
            for uid in gone:
                del self._pods[uid]
            self._listed = True
            names = {*map(_name, self._static.values()), *self._mirrors}
        for name in names:
            self._on_mirror(*name)
        for uid in {*gone, *self.on_disk()}:
            self._on_change(uid)

    def on_disk(self) -> list[str]:
        """Uids that have a directory."""
        return [path.name for path in self._directory.glob("*") if path.is_dir()]

    def get(self, uid: str) -> Pod | None:
        with self._lock:
            return self._pods.get(uid) or self._static.get(uid)

    def is_gone(self, uid: str) -> bool:
        """Whether the API is known not to have it, or the folder of static pods."""
        with self._lock:
            if uid in self._pods or uid in self._static:
                return False
            return self._listed or uid in self._static_gone

    def all(self) -> list[Pod]:
        with self._lock:
            return [*self._pods.values(), *self._static.values()]


def _name(pod: Pod) -> Name:
    return pod.metadata.namespace, pod.metadata.name

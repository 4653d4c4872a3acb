"""Shows static pods in the API: each has a mirror there, made again when it is deleted or has become another.

The rule: a mirror is told about and never acted on. What runs is decided by the folder alone.
"""

import logging
import threading

from agent.pods.manifests import MIRROR, mirror_of
from agent.pods.store import PodStore
from api.core import Pod
from api.errors import AlreadyExists, ApiError, NotFound
from client import Client, Unreachable, WorkQueue

log = logging.getLogger(__name__)

Name = tuple[str, str]


class Mirrors:
    """One thread over a queue of names (namespace, name)."""

    def __init__(self, client: Client, store: PodStore) -> None:
        self._client = client
        self._store = store
        self._queue: WorkQueue[Name] = WorkQueue(base_s=0.2, cap_s=30.0)
        self._thread = threading.Thread(target=self._run, name="agent-mirrors", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        self._queue.close()
        self._thread.join(timeout_s)

    def look(self, namespace: str, name: str) -> None:
        self._queue.add((namespace, name))

    def _run(self) -> None:
        while (key := self._queue.get()) is not None:
            try:
                self._keep(*key)
                self._queue.forget(key)
            except (ApiError, Unreachable) as error:
                delay_s = self._queue.retry(key)
                log.warning("static pod not mirrored pod=%s/%s error=%s retry_s=%.1f", *key, error, delay_s)
            finally:
                self._queue.done(key)

    def _keep(self, namespace: str, name: str) -> None:
        if not self._store.listed:
            return
        pod, mirror = self._store.static(namespace, name), self._store.mirror(namespace, name)
        wanted = pod.metadata.uid if pod is not None else ""
        if mirror is not None and (
            mirror.metadata.annotations.get(MIRROR) != wanted or mirror.metadata.deletion_timestamp is not None
        ):
            self._remove(mirror)
        elif mirror is None and pod is not None:
            self._make(pod)

    def _make(self, pod: Pod) -> None:
        try:
            self._client.create(mirror_of(pod))
        except AlreadyExists:
            # Perhaps a mirror that the informer has not shown yet; perhaps a stranger's pod, which is not touched.
            log.info("a pod of the mirror's name exists pod=%s/%s", pod.metadata.namespace, pod.metadata.name)

    def _remove(self, mirror: Pod) -> None:
        """The informer tells when it is gone, and then the next one is made."""
        meta = mirror.metadata
        try:
            self._client.delete(Pod, meta.name, meta.namespace, grace_s=0, uid=meta.uid)
        except NotFound:
            log.debug("mirror was gone already pod=%s/%s", meta.namespace, meta.name)

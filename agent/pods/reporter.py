"""Tells the API what became of pods: status patches, and the deletion that ends a pod. Behind, never in the way.

The newest status of a pod wins; while the master is away it is tried again with a back-off, and nothing waits for it.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from agent.pods.report import status_patch
from api.core import Pod, PodStatus
from api.errors import ApiError, Conflict, Invalid, NotFound
from client import Client, Unreachable, WorkQueue

log = logging.getLogger(__name__)

_THREADS = 2
# A status in the API that is not ours this long after we sent ours was put there by another, and is put right.
REPAIR_S = 5.0


@dataclass(slots=True)
class _Report:
    """What is to be told of a pod. ``before``: the status that the API has, as far as is known, since ``sent_s``."""

    name: str
    namespace: str
    before: PodStatus
    status: PodStatus
    delete: bool = False
    sent_s: float = 0.0


class Reporter:
    """Two threads over a work queue; one report of a pod at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue: WorkQueue[str] = WorkQueue(base_s=0.1, cap_s=10.0)
        self._lock = threading.Lock()
        self._reports: dict[str, _Report] = {}
        self._threads = [
            threading.Thread(target=self._run, name=f"agent-reporter-{number}", daemon=True)
            for number in range(_THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """What is ready to be sent is sent, within the limit."""
        self._queue.close()
        for thread in self._threads:
            thread.join(timeout_s)

    def report(self, pod: Pod, status: PodStatus) -> None:
        """Tells a status unless it is what the API has."""
        uid = pod.metadata.uid
        with self._lock:
            known = self._reports.get(uid)
            if known is None:
                known = _Report(pod.metadata.name, pod.metadata.namespace, pod.status, pod.status)
                self._reports[uid] = known
            if pod.status != status and known.before == status and time.monotonic() - known.sent_s > REPAIR_S:
                known.before = pod.status
            if known.before == status:
                known.status = status
                return
            known.status = status
        self._queue.add(uid)

    def delete(self, pod: Pod) -> None:
        """Ends the pod in the API, after its last status was told."""
        uid = pod.metadata.uid
        with self._lock:
            known = self._reports.setdefault(
                uid, _Report(pod.metadata.name, pod.metadata.namespace, pod.status, pod.status)
            )
            known.delete = True
        self._queue.add(uid)

    def forget(self, uid: str) -> None:
        with self._lock:
            self._reports.pop(uid, None)

    def _run(self) -> None:
        while (uid := self._queue.get()) is not None:
            try:
                self._send(uid)
                self._queue.forget(uid)
            except (NotFound, Conflict) as error:
                # The pod is gone, or another of the same name has taken its place: the informer will say so.
                log.info("pod not reported uid=%s error=%s", uid, error)
                self.forget(uid)
            except (ApiError, Unreachable) as error:
                delay_s = self._queue.retry(uid)
                log.warning("pod not reported uid=%s error=%s retry_s=%.1f", uid, error, delay_s)
                if isinstance(error, Invalid):
                    self.forget(uid)
            finally:
                self._queue.done(uid)

    def _send(self, uid: str) -> None:
        with self._lock:
            report = self._reports.get(uid)
            if report is None:
                return
            before, status, delete = report.before, report.status, report.delete
        patch = status_patch(uid, before, status)
        if patch is not None:
            self._patch(report, patch, status)
        if delete:
            self._client.delete(Pod, report.name, report.namespace, grace_s=0, uid=uid)
            self.forget(uid)
            log.info("pod is gone pod=%s/%s uid=%s", report.namespace, report.name, uid)

    def _patch(self, report: _Report, patch: dict[str, Any], status: PodStatus) -> None:
        self._client.patch(Pod, report.name, report.namespace, patch, subresource="status", form="merge")
        with self._lock:
            report.before, report.sent_s = status, time.monotonic()

"""Takes back the word that a pod is about to go (condition ``DisruptionTarget``) when it did not go within two minutes.

As Kubernetes' disruption controller: an eviction or a preemption that came to nothing must not be read as one for ever,
by whoever counts a pod's failure by it. What the agent says stands until the pod goes, however long that takes.
"""

from datetime import datetime, timedelta

from api.core import Pod, PodCondition
from api.errors import NotFound
from api.scalars import now
from client import Client
from master.controllers.informers import Informers
from master.controllers.loop import Key, Loop

STALE_AFTER = timedelta(minutes=2)
_TYPE = "DisruptionTarget"
_BY_THE_AGENT = "TerminationByKubelet"
_ENDED = ("Succeeded", "Failed")


def stale_in_s(pod: Pod, moment: datetime) -> float | None:
    """Seconds until its word is stale; None for a pod that has none, or that keeps it."""
    said = _said(pod)
    if said is None or pod.metadata.deletion_timestamp is not None or pod.status.phase in _ENDED:
        return None
    since = said.last_transition_time or moment
    return (since + STALE_AFTER - moment).total_seconds()


def _said(pod: Pod) -> PodCondition | None:
    found = (one for one in pod.status.conditions if one.type == _TYPE)
    return next((one for one in found if one.status == "True" and one.reason != _BY_THE_AGENT), None)


class StaleDisruptions:
    """Keys of its queue: pods that carry the condition."""

    name = "stale-pod-disruption"

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._pods = informers.pods
        self.loop = Loop(self.name, self.reconcile)
        self._pods.add_listener(self._pod_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and _said(new) is not None and (old is None or _said(old) is None):
            self.loop.queue.add((new.metadata.namespace, new.metadata.name))

    def reconcile(self, key: Key) -> str:
        pod = self._pods.get(*key)
        moment = now()
        left_s = stale_in_s(pod, moment) if pod is not None else None
        if pod is None or left_s is None:
            return ""
        if left_s > 0:
            self.loop.queue.add_after(key, left_s)
            return ""
        condition = {"type": _TYPE, "status": "False", "lastTransitionTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
        # At the version that was looked at: one that is evicted again in this moment keeps its word.
        version = {"resourceVersion": pod.metadata.resource_version, "uid": pod.metadata.uid}
        try:
            self._client.patch(
                Pod,
                key[1],
                key[0],
                {"metadata": version, "status": {"conditions": [condition]}},
                subresource="status",
            )
        except NotFound:
            return ""
        return f"did not go within {STALE_AFTER.total_seconds():.0f} s"

"""How far a rollout is, and what a deployment was before: worked out purely, in kubectl's sentences."""

from collections.abc import Iterable, Sequence

from api.rollouts import CHANGE_CAUSE, HASH_LABEL, OWN, REVISION
from cli.steer.failures import Failure
from cli.steer.session import Object


def progress(deployment: Object) -> tuple[str, bool]:
    """What is to be said, and whether it is done. Raises Failure when it will never be."""
    meta, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    name, wanted = meta["name"], spec.get("replicas", 1)
    if meta.get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for deployment spec update to be observed...", False
    for one in status.get("conditions") or ():
        if one["type"] == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded":
            raise Failure(f'deployment "{name}" exceeded its progress deadline')
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new replicas have been updated...", False
    if status.get("replicas", 0) > updated:
        return f"{waiting}{status['replicas'] - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{waiting}{available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def daemon_set_progress(daemon_set: Object) -> tuple[str, bool]:
    """What is to be said, and whether it is done. Raises Failure."""
    meta, status = daemon_set["metadata"], daemon_set.get("status") or {}
    _only_rolling(daemon_set)
    if meta.get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for daemon set spec update to be observed...", False
    named, wanted = f'daemon set "{meta["name"]}"', status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted:
        return f"Waiting for {named} rollout to finish: {updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"Waiting for {named} rollout to finish: {available} of {wanted} updated pods are available...", False
    return f"{named} successfully rolled out", True


def stateful_set_progress(stateful_set: Object) -> tuple[str, bool]:
    """What is to be said, and whether it is done. Raises Failure."""
    meta, spec, status = stateful_set["metadata"], stateful_set["spec"], stateful_set.get("status") or {}
    _only_rolling(stateful_set)
    seen = status.get("observedGeneration", 0)
    if not seen or meta.get("generation", 0) > seen:
        return "Waiting for statefulset spec update to be observed...", False
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    if (ready := status.get("readyReplicas", 0)) < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    rolling = spec["updateStrategy"].get("rollingUpdate")
    if rolling is not None:
        there = wanted - rolling.get("partition", 0)
        if "partition" in rolling and updated < there:
            waiting = "Waiting for partitioned roll out to finish: "
            return f"{waiting}{updated} out of {there} new pods have been updated...", False
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    current, coming = status.get("currentRevision", ""), status.get("updateRevision", "")
    if current != coming:
        return f"waiting for statefulset rolling update to complete {updated} pods at revision {coming}...", False
    count = status.get("currentReplicas", 0)
    return f"statefulset rolling update complete {count} pods at revision {current}...", True


def _only_rolling(found: Object) -> None:
    if (found["spec"].get("updateStrategy") or {}).get("type") != "RollingUpdate":
        raise Failure("rollout status is only available for RollingUpdate strategy type")


def revisions(deployment: Object, replica_sets: Iterable[Object]) -> dict[int, Object]:
    """The replica sets of a deployment by revision, in order."""
    uid = deployment["metadata"]["uid"]
    owned = [
        one
        for one in replica_sets
        if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences") or ())
    ]
    numbered = {int((one["metadata"].get("annotations") or {}).get(REVISION, 0)): one for one in owned}
    return {number: numbered[number] for number in sorted(numbered) if number}


def history(found: dict[int, Object]) -> list[list[str]]:
    """The rows of the table."""
    return [
        [str(number), (one["metadata"].get("annotations") or {}).get(CHANGE_CAUSE, "<none>")]
        for number, one in found.items()
    ]


def target(deployment: Object, found: dict[int, Object], wanted: int) -> tuple[int, Object]:
    """The revision to go back to, 0 for the last but one, and its replica set. Raises Failure."""
    name = deployment["metadata"]["name"]
    if wanted:
        if wanted not in found:
            raise Failure(f"unable to find specified revision {wanted} in history")
        return wanted, found[wanted]
    numbers: Sequence[int] = list(found)
    if len(numbers) < 2:
        raise Failure(f'no rollout history found for deployment "{name}"')
    return numbers[-2], found[numbers[-2]]


def undo_patch(deployment: Object, replica_set: Object) -> list[Object]:
    """A JSON patch to the template of a replica set, and to the annotations of that time, the cause of the change among
    them; empty when it is the present one."""
    template = without_hash(replica_set["spec"]["template"])
    if template == without_hash(deployment["spec"]["template"]):
        return []
    now, then = (one["metadata"].get("annotations") or {} for one in (deployment, replica_set))
    notes = {key: value for key, value in now.items() if key in OWN}
    notes |= {key: value for key, value in then.items() if key not in OWN}
    return [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": notes},
    ]


def without_hash(template: Object) -> Object:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH_LABEL}
    kept = {key: value for key, value in meta.items() if key not in ("labels", "creationTimestamp")}
    return {**template, "metadata": {**kept, **({"labels": labels} if labels else {})}}

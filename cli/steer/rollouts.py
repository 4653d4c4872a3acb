"""How far a deployment has been rolled out, and what it was before: worked out purely, in kubectl's sentences."""

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

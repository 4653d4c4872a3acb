"""The pod and the container that a verb means: said by name, or the likeliest one as kubectl chooses it."""

import sys
from typing import Any

from cli.steer.failures import Failure
from cli.steer.selection import chosen, label_text
from cli.steer.session import Object, Session

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
# The order in which kubectl looks through the phases of a controller's pods; the others come with the last.
_PHASES = ("Running", "Unknown")


def pod_meant(session: Session, word: str, *, for_logs: bool = False) -> Object:
    """``NAME``, ``pod/NAME``, or the best pod of what selects some, as ``rc/web`` or ``svc/web``: one that runs, is
    ready and has been for longest; for logs then the one restarted most, else least. Raises Failure, NotFound.

    https://github.com/kubernetes/kubectl/blob/master/pkg/util/podutils/podutils.go
    """
    [one] = chosen(session, [word] if "/" in word else ["pods", word])
    kind = one.kind
    found = session.get(kind, one.names[0], session.space(kind))
    if kind.plural == "pods":
        return found
    pods = _selected(session, word, found)
    pods.sort(key=lambda pod: _rank(pod, most_restarts=for_logs))
    if for_logs and len(pods) > 1:
        print(f"Found {len(pods)} pods, using pod/{pods[0]['metadata']['name']}", file=sys.stderr)
    return pods[0]


def _selected(session: Session, word: str, owner: Object) -> list[Object]:
    selector = label_text(owner.get("spec", {}).get("selector") or {})
    if not selector:
        raise Failure(f"cannot get the logs from or attach to {owner['kind']}: it selects no pods")
    pods = list(session.list(session.discovery.find("pods"), session.namespace, labels=selector))
    if not pods:
        raise Failure(f"no pods found for {word}")
    return pods


def _rank(pod: Object, *, most_restarts: bool) -> tuple[Any, ...]:
    status = pod.get("status", {})
    phase = status.get("phase")
    ready: Object = next((one for one in status.get("conditions") or () if one["type"] == "Ready"), {})
    is_ready = ready.get("status") == "True"
    restarts = max((one.get("restartCount", 0) for one in status.get("containerStatuses") or ()), default=0)
    return (
        not pod["spec"].get("nodeName"),
        _PHASES.index(phase) if phase in _PHASES else len(_PHASES),
        not is_ready,
        ready.get("lastTransitionTime") or "" if is_ready else "",
        -restarts if most_restarts else restarts,
        pod["metadata"]["creationTimestamp"],
    )


def container_meant(pod: Object, asked: str, *, doing: str = "", quiet: bool = False) -> Object:
    """The container by that name; the pod's default when none is asked for, and then people are told of the choice.

    Raises Failure; ``doing`` begins its words. ``quiet``: people are told nothing.
    """
    named = {one["name"]: one for one in containers(pod)}
    if asked:
        if asked not in named:
            where = pod["metadata"]["name"]
            raise Failure(f"{doing}container {asked} is not valid for pod {where} out of: {container_names(pod)}")
        return named[asked]
    marked = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    if marked in named:
        return named[marked]
    first: Object = pod["spec"]["containers"][0]
    if len(named) > 1 and not quiet:
        print(f'Defaulted container "{first["name"]}" out of: {container_names(pod)}', file=sys.stderr)
    return first


def containers(pod: Object) -> list[Object]:
    """All of them, in the order in which their logs are shown."""
    groups = ("initContainers", "containers", "ephemeralContainers")
    return [one for group in groups for one in pod["spec"].get(group) or ()]


def container_names(pod: Object) -> str:
    """``web, side, debugger (ephem), setup (init)``."""
    groups = {"containers": "", "ephemeralContainers": " (ephem)", "initContainers": " (init)"}
    return ", ".join(f"{one['name']}{mark}" for group, mark in groups.items() for one in pod["spec"].get(group) or ())


def refuse_ended(pod: Object, what: str) -> None:
    """Raises Failure when there is nothing left to execute in or attach to. what: ``exec into``, ``attach``."""
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise Failure(f"cannot {what} a container in a completed pod; current phase is {phase}")

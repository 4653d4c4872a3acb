"""Replaces the pods of one replication controller by those of another, one at a time.

Where an update stands is written on the controllers themselves, before anything is done that relies on it; so it can be
stopped at any moment and gone on with. The annotations are those of kubectl's rolling-update.
"""

import copy
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.errors import Conflict, NotFound
from cli.steer.failures import Failure
from cli.steer.selection import label_text
from cli.steer.session import Object, Session

_PREFIX = "kubectl.kubernetes.io"
DESIRED, ORIGINAL = f"{_PREFIX}/desired-replicas", f"{_PREFIX}/original-replicas"
SOURCE, NEXT = f"{_PREFIX}/update-source-id", f"{_PREFIX}/next-controller-id"
_TRIES = 10
_GONE_S = 300.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. period: between one pod and the next. poll: between looks. timeout: for each pod to become ready."""

    period_s: float
    poll_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Counts:
    """``wanted`` as the controllers say; ``ready`` as their pods are."""

    new_wanted: int
    new_ready: int
    old_wanted: int
    old_ready: int


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next: a controller gets another number of replicas. Both None: wait for pods."""

    new: int | None = None
    old: int | None = None


def next_step(counts: Counts, desired: int) -> Step | None:
    """One pod more than desired at most, and never fewer ready than desired; None: all is done."""
    if counts.new_wanted >= desired and counts.old_wanted == 0 and counts.new_ready >= desired:
        return None
    if counts.new_ready < counts.new_wanted:
        # An old pod that is not ready serves nobody: it may go first, and makes room.
        spare = counts.old_wanted > counts.old_ready and counts.new_wanted >= desired
        return Step(old=counts.old_wanted - 1) if spare else Step()
    if counts.old_wanted > 0 and counts.new_ready + counts.old_ready - 1 >= desired:
        return Step(old=counts.old_wanted - 1)
    if counts.new_wanted < desired and counts.new_wanted + counts.old_wanted <= desired:
        return Step(new=counts.new_wanted + 1)
    if counts.old_wanted > counts.old_ready:
        return Step(old=counts.old_wanted - 1)
    if counts.new_wanted >= desired and counts.old_wanted > 0 and counts.new_ready >= desired:
        return Step(old=counts.old_wanted - 1)
    return Step()


class Update:
    """One rolling update in a namespace. ``say`` is told each step, ``look`` the counts at each look."""

    def __init__(
        self,
        session: Session,
        pace: Pace,
        *,
        say: Callable[[str], None],
        look: Callable[[str, Counts, int], None] = lambda *_: None,
    ) -> None:
        self._session = session
        self._pace = pace
        self._say = say
        self._look = look
        self._controllers = session.discovery.find("replicationcontrollers")
        self._pods = session.discovery.find("pods")

    def find(self, name: str) -> Object | None:
        try:
            return self._session.get(self._controllers, name, self._session.namespace)
        except NotFound:
            return None

    def must_find(self, name: str) -> Object:
        """Raises NotFound."""
        return self._session.get(self._controllers, name, self._session.namespace)

    def begin(self, old: Object, wanted: Object) -> Object:
        """The new controller: the one of an update under way, or a new one without pods yet. Raises Failure."""
        name, source = wanted["metadata"]["name"], f"{_name(old)}:{old['metadata']['uid']}"
        there = self.find(name)
        if there is not None:
            if _note(there, SOURCE) != source:
                raise Failure(f'replicationcontroller "{name}" exists and is not part of an update of {_name(old)}')
            self._say(f"Found existing update in progress ({name}), resuming.")
            return there
        fresh = copy.deepcopy(wanted)
        desired = fresh["spec"].get("replicas") or old["spec"].get("replicas", 1)
        fresh["metadata"].setdefault("annotations", {}).update({DESIRED: str(desired), SOURCE: source})
        fresh["spec"]["replicas"] = 0
        made: Object = self._session.call("POST", self._controllers.path(self._session.namespace), body=fresh)
        self._say(f"Created {name}")
        return made

    def run(self, old: str, new: str, desired: int) -> None:
        """Until the new one has all pods and the old one none. Raises Failure when a pod is not ready in time."""
        self._remember(old)
        was, has = (self.must_find(name)["spec"].get("replicas", 0) for name in (old, new))
        self._say(
            f"Scaling up {new} from {has} to {desired}, scaling down {old} from {was} to 0 "
            f"(keep {desired} pods available, don't exceed {desired + 1} pods)"
        )
        since, last = time.monotonic(), None
        while True:
            counts = self._counts(old, new)
            self._look(new, counts, desired)
            step = next_step(counts, desired)
            if step is None:
                return
            if counts != last:
                since, last = time.monotonic(), counts
            if step.new is not None:
                self._say(f"Scaling {new} up to {step.new}")
                self._scale(new, step.new)
            elif step.old is not None:
                self._say(f"Scaling {old} down to {step.old}")
                self._scale(old, step.old)
                if step.old > 0:
                    time.sleep(self._pace.period_s)
            elif time.monotonic() - since > self._pace.timeout_s:
                raise Failure(
                    f"timed out waiting for {new} to have {counts.new_wanted} ready pods (it has {counts.new_ready}): "
                    "call again to go on, or with --rollback to go back"
                )
            else:
                time.sleep(self._pace.poll_s)

    def remove(self, name: str) -> None:
        self._delete(name, orphan=False)

    def rename(self, new: str, old: str) -> None:
        """The new controller takes the old one's name. Its pods stay: the next one of that name takes them over."""
        there = self.must_find(new)
        self._say(f"Renaming {new} to {old}")
        fresh = {
            "apiVersion": "v1", "kind": "ReplicationController", "spec": there["spec"],
            "metadata": {
                "name": old, "labels": there["metadata"].get("labels") or {},
                "annotations": _without_notes(there),
            },
        }  # fmt: skip
        self._delete(new, orphan=True)
        self._session.call("POST", self._controllers.path(self._session.namespace), body=fresh)

    def clear(self, name: str) -> None:
        """Nothing of an update stays on a controller."""
        gone = dict.fromkeys((DESIRED, ORIGINAL, SOURCE, NEXT))
        self._patch(name, {"metadata": {"annotations": gone}})

    def note(self, name: str, key: str, value: str) -> None:
        self._patch(name, {"metadata": {"annotations": {key: value}}})

    def set_apart(self, old: Object, key: str, value: str) -> Object:
        """Gives the old controller and its pods a label more, so that a copy's pods are not taken for its own.

        New pods first, then those that are there, then the selector: at no moment does it lose one.
        """
        if key in old["spec"]["selector"]:
            return old
        name, label = _name(old), {key: value}
        self._patch(name, {"spec": {"template": {"metadata": {"labels": label}}}})
        for _ in range(_TRIES):
            missing = [pod for pod in self._pods_of(old) if (pod["metadata"].get("labels") or {}).get(key) != value]
            for pod in missing:
                self._session.patch(
                    self._pods,
                    pod["metadata"]["name"],
                    self._session.namespace,
                    {"metadata": {"labels": label}},
                    form="merge",
                )
            if not missing:
                break
        self._patch(name, {"spec": {"selector": label}})
        return self.must_find(name)

    def _remember(self, old: str) -> None:
        """How many it had, for the way back."""
        there = self.must_find(old)
        if _note(there, ORIGINAL) is None:
            self.note(old, ORIGINAL, str(there["spec"].get("replicas", 0)))

    def _counts(self, old: str, new: str) -> Counts:
        return Counts(*self._count(new), *self._count(old))

    def _count(self, name: str) -> tuple[int, int]:
        controller = self.must_find(name)
        ready = sum(_is_ready(pod) for pod in self._pods_of(controller))
        wanted = controller["spec"].get("replicas", 0)
        return wanted, min(ready, wanted)

    def _pods_of(self, controller: Object) -> list[Object]:
        selector = label_text(controller["spec"]["selector"])
        pods = self._session.list(self._pods, self._session.namespace, labels=selector)
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def _scale(self, name: str, replicas: int) -> None:
        self._patch(name, {"spec": {"replicas": replicas}})

    def _patch(self, name: str, patch: Any) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._session.patch(self._controllers, name, self._session.namespace, patch, form="merge")
                return
            except Conflict:
                if not left:
                    raise

    def _delete(self, name: str, *, orphan: bool) -> None:
        policy = "Orphan" if orphan else "Background"
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        self._session.call("DELETE", self._controllers.path(self._session.namespace, name), body=body)
        end = time.monotonic() + _GONE_S
        while self.find(name) is not None:
            if time.monotonic() > end:
                raise Failure(f"timed out waiting for replicationcontroller/{name} to be deleted")
            time.sleep(min(self._pace.poll_s, 0.2))


def with_image(old: Object, name: str, image: str, *, key: str, container: str = "") -> Object:
    """A copy of a controller with another image, another name (or one made up), a label of its own. Raises Failure."""
    spec = copy.deepcopy(old["spec"])
    containers = spec["template"]["spec"]["containers"]
    chosen = [one for one in containers if one["name"] == container] if container else containers
    if len(chosen) != 1:
        has = f"it has {', '.join(one['name'] for one in containers)}"
        raise Failure(
            f'replicationcontroller "{_name(old)}" has no container "{container}", {has}'
            if container
            else f"Must specify --container of {_name(old)}: {has}"
        )
    chosen[0]["image"] = image
    digest = template_digest(spec["template"])
    name = name or f"{_name(old)}-{digest}"
    for labels in (spec["selector"], spec["template"]["metadata"].setdefault("labels", {})):
        labels[key] = digest
    return {
        "apiVersion": "v1", "kind": "ReplicationController", "spec": spec,
        "metadata": {
            "name": name, "labels": old["metadata"].get("labels") or {},
            "annotations": _without_notes(old),
        },
    }  # fmt: skip


def template_digest(template: Object) -> str:
    """The same for the same template."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def desired_of(controller: Object) -> int:
    """How many pods a controller of an update is to have in the end."""
    noted = _note(controller, DESIRED) or _note(controller, ORIGINAL)
    return int(noted) if noted and noted.isdigit() else int(controller["spec"].get("replicas", 0))


def _name(controller: Object) -> str:
    return str(controller["metadata"]["name"])


def _note(controller: Object, key: str) -> str | None:
    value = (controller["metadata"].get("annotations") or {}).get(key)
    return None if value is None else str(value)


def _without_notes(controller: Object) -> dict[str, str]:
    annotations = controller["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in (DESIRED, ORIGINAL, SOURCE, NEXT)}


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

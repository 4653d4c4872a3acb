"""What `steer debug` makes, worked out purely: a container for a running pod, a copy of a pod, a pod for a node.

The profiles are kubectl's (pkg/cmd/debug/profiles.go).
"""

import copy
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.steer.failures import Failure
from cli.steer.session import Object

# Letters and digits that make no words, as Kubernetes names with.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_SECURITY: dict[str, Object] = {
    "general": {"capabilities": {"add": ["SYS_PTRACE"]}},
    "baseline": {},
    "restricted": _RESTRICTED,
    "netadmin": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
    "sysadmin": {"privileged": True},
}
# On a node: with the host's network, processes and IPC; with its files below /host.
_ON_HOST = ("general", "netadmin", "sysadmin")
_WITH_FILES = ("general", "sysadmin")
_PROBES = {"keep_liveness": "livenessProbe", "keep_readiness": "readinessProbe", "keep_startup": "startupProbe"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was said. ``name``: of the container; it has one. ``flags``: those that are for copies alone."""

    name: str
    image: str
    profile: str
    words: tuple[str, ...]
    arguments_only: bool
    env: Mapping[str, str]
    pull_policy: str
    stdin: bool
    tty: bool
    flags: Mapping[str, Any]


def check(profile: str, pull_policy: str) -> None:
    """Raises Failure."""
    if profile not in _SECURITY:
        raise Failure(f"unknown profile: {profile}")
    if pull_policy not in ("", "Always", "IfNotPresent", "Never"):
        raise Failure(f"invalid image pull policy: {pull_policy}")


def suffix() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(5))


def container(wish: Wish, before: Object | None = None, *, on_node: bool = False) -> Object:
    """The one to look around with; ``before``: the container of a copy that it is made of."""
    made: Object = copy.deepcopy(before) if before is not None else {"name": wish.name, "resources": {}}
    if wish.image:
        made["image"] = wish.image
    if wish.words:
        if before is not None:
            made.pop("args", None)
        made["args" if wish.arguments_only else "command"] = list(wish.words)
    if wish.env:
        made["env"] = [*made.get("env", []), *({"name": name, "value": value} for name, value in wish.env.items())]
    if wish.pull_policy:
        made["imagePullPolicy"] = wish.pull_policy
    made |= {key: True for key, said in (("stdin", wish.stdin), ("tty", wish.tty)) if said}
    security = {} if on_node and wish.profile == "general" else _SECURITY[wish.profile]
    if security:
        made["securityContext"] = {**made.get("securityContext", {}), **copy.deepcopy(security)}
    return made


def with_ephemeral(pod: Object, wish: Wish, target: str) -> list[Object]:
    """The ephemeral containers of a running pod with one more. One that is there by that name the server refuses."""
    added = {**container(wish), **({"targetContainerName": target} if target else {})}
    there: list[Object] = pod["spec"].get("ephemeralContainers") or []
    if any(one["name"] == wish.name for one in there):
        return [added if one["name"] == wish.name else one for one in there]
    return [*there, added]


def copied(pod: Object, wish: Wish, images: Sequence[str]) -> Object:
    """A pod like another, to be debugged in its place. Raises Failure."""
    flags, spec = wish.flags, copy.deepcopy(pod["spec"])
    meta: Object = {"name": flags["copy_to"]}
    for field in ("labels", "annotations"):
        if flags[f"keep_{field}"] and pod["metadata"].get(field):
            meta[field] = pod["metadata"][field]
    spec.pop("ephemeralContainers", None)
    if not flags["same_node"]:
        spec.pop("nodeName", None)
    if not flags["keep_init_containers"]:
        spec.pop("initContainers", None)
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    _set_images(made, images)
    if wish.image or wish.words:
        # A copy in which only images are others is left as it is otherwise.
        for one in spec["containers"]:
            for flag, probe in _PROBES.items():
                if not flags[flag]:
                    one.pop(probe, None)
        _place(spec, wish)
        spec["shareProcessNamespace"] = True
    if flags["share_processes"] is not None:
        spec["shareProcessNamespace"] = flags["share_processes"]
    return made


def _place(spec: Object, wish: Wish) -> None:
    at = next((at for at, one in enumerate(spec["containers"]) if one["name"] == wish.name), None)
    if at is not None:
        spec["containers"][at] = container(wish, spec["containers"][at])
    elif wish.image:
        spec["containers"].append(container(wish))
    elif wish.name:
        raise Failure("you must specify image when creating new container")
    else:
        raise Failure("you must specify an existing container or a new image when specifying args.")


def _set_images(pod: Object, images: Sequence[str]) -> None:
    wanted = {}
    for word in images:
        name, equals, image = word.partition("=")
        if not (name and equals and image):
            raise Failure(f'invalid image spec: "{word}", expected NAME=IMAGE')
        wanted[name] = image
    for one in pod["spec"]["containers"]:
        if chosen := wanted.get(one["name"]) or wanted.get("*"):
            one["image"] = chosen


def for_node(node: str, wish: Wish) -> Object:
    """A pod on a node, with the host's own as far as the profile goes."""
    one = container(wish, on_node=True)
    spec: Object = {"containers": [one], "nodeName": node, "restartPolicy": "Never",
                    "tolerations": [{"operator": "Exists"}]}  # fmt: skip
    if wish.profile in _ON_HOST:
        spec |= {"hostNetwork": True, "hostPID": True, "hostIPC": True}
    if wish.profile in _WITH_FILES:
        spec["volumes"] = [{"name": "host-root", "hostPath": {"path": "/"}}]
        one["volumeMounts"] = [{"name": "host-root", "mountPath": "/host"}]
    labels = {"app.kubernetes.io/managed-by": "kubectl-debug"}
    meta = {"name": f"node-debugger-{node}-{suffix()}", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

"""`steer debug POD|node/NAME`: a container to look around with, in a running pod, in a copy of it, or on a node."""

import sys
from typing import Any

import click

from api.errors import NotFound
from cli.steer.dashes import Dashed, after_dashes
from cli.steer.debugging import Wish, check, copied, for_node, suffix, with_ephemeral
from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import manifests
from cli.steer.selection import chosen
from cli.steer.session import PATCH_TYPES, Object, Session, with_session
from cli.steer.verbs.attach import attached_or_told
from cli.steer.watching import deadline, until
from cli.steer.writing import options

_START_S = 600.0


@click.command("debug", cls=Dashed)
@click.argument("words", nargs=-1, metavar="POD | TYPE/NAME [-- COMMAND…]")
@options(FILES)
@click.option("--image", default="", help="The image of the container.")
@click.option("-c", "--container", "name", default="", help="The name of the container.")
@click.option("--image-pull-policy", default="", help="Always, IfNotPresent or Never.")
@click.option("--env", multiple=True, help="A variable, as NAME=VALUE.")
@click.option("--arguments-only", is_flag=True, help="The words after -- are arguments, not the command.")
@click.option("--profile", default="general", help="general, baseline, restricted, netadmin or sysadmin.")
@click.option("--target", default="", help="See the processes of this container of the pod.")
@click.option("--copy-to", default="", help="Make a copy of the pod, with this name.")
@click.option("--replace", is_flag=True, help="With --copy-to: delete the pod itself.")
@click.option("--same-node", is_flag=True, help="With --copy-to: on the pod's node.")
@click.option("--set-image", multiple=True, help="With --copy-to: NAME=IMAGE,…; * is every container.")
@click.option("--share-processes/--no-share-processes", default=None, help="With --copy-to: containers see each other.")
@click.option("--keep-labels", is_flag=True, help="With --copy-to: with the pod's labels.")
@click.option("--keep-annotations", is_flag=True, help="With --copy-to: with the pod's annotations.")
@click.option("--keep-liveness", is_flag=True, help="With --copy-to: with liveness probes.")
@click.option("--keep-readiness", is_flag=True, help="With --copy-to: with readiness probes.")
@click.option("--keep-startup", is_flag=True, help="With --copy-to: with startup probes.")
@click.option("--keep-init-containers/--no-keep-init-containers", default=True, help="With --copy-to: with these.")
@click.option("-i", "--stdin", is_flag=True, help="Keep standard input open, and attach.")
@click.option("-t", "--tty", is_flag=True, help="Give the container a terminal.")
@click.option("--attach/--no-attach", default=None, help="Attach when the container runs.")
@click.option("-q", "--quiet", is_flag=True, help="Say less.")
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> int:
    """Create debugging sessions for troubleshooting workloads and nodes."""
    own = after_dashes()
    _check(flags, own)
    code = 0
    for kind, name in _named(session, words, flags):
        found = session.get(kind, name, session.space(kind))
        code = _debug(session, kind, found, flags, own) or code
    return code


def _check(flags: dict[str, Any], words: tuple[str, ...]) -> None:
    """Raises Failure."""
    if flags["copy_to"]:
        if not (flags["image"] or flags["set_image"] or words):
            raise Failure("you must specify --image, --set-image or command arguments.")
        if flags["target"]:
            raise Failure("--target is incompatible with --copy-to. Use --share-processes instead.")
    else:
        if not flags["image"]:
            raise Failure("you must specify --image when not using --copy-to.")
        for flag in ("replace", "same_node", "set_image"):
            if flags[flag]:
                raise Failure(f"--{flag.replace('_', '-')} may only be used with --copy-to.")
    if flags["tty"] and not flags["stdin"]:
        raise Failure("-i/--stdin is required for containers with -t/--tty=true")
    check(flags["profile"], flags["image_pull_policy"])


def _named(session: Session, words: tuple[str, ...], flags: dict[str, Any]) -> list[tuple[Kind, str]]:
    if flags["filename"]:
        return [(item.kind, item.name) for item in manifests(session, flags["filename"])]
    if not words:
        raise Failure("NAME is required for debug")
    named = [word if "/" in word else f"pods/{word}" for word in words]
    return [(one.kind, one.names[0]) for one in chosen(session, named)]


def _debug(session: Session, kind: Kind, found: Object, flags: dict[str, Any], words: tuple[str, ...]) -> int:
    pods = session.discovery.find("pods")
    if kind.plural not in ("pods", "nodes"):
        version = f"{kind.group}/{kind.version}" if kind.group else kind.version
        raise Failure(f'"{version}, Kind={kind.kind}" not supported by debug')
    wish = _wish(flags, words, is_node=kind.plural == "nodes")
    about = found["metadata"]["name"]
    if kind.plural == "nodes":
        made = session.call("POST", pods.path(session.namespace), body=for_node(about, wish))
        if not flags["quiet"]:
            print(f"Creating debugging pod {made['metadata']['name']} with container {wish.name} on node {about}.",
                  flush=True)  # fmt: skip
    elif flags["copy_to"]:
        images = [word for said in flags["set_image"] for word in said.split(",")]
        made = session.call("POST", pods.path(session.namespace), body=copied(found, wish, images))
        if flags["replace"]:
            session.call("DELETE", pods.path(session.namespace, about))
    else:
        every = with_ephemeral(found, wish, flags["target"])
        patch = [{"op": "add", "path": "/spec/ephemeralContainers", "value": every}]
        path = pods.path(session.namespace, about, "ephemeralcontainers")
        made = session.call("PATCH", path, body=patch, content_type=PATCH_TYPES["json"])
    if not (flags["stdin"] if flags["attach"] is None else flags["attach"]):
        return 0
    return _attach(session, pods, made["metadata"]["name"], wish, quiet=flags["quiet"])


def _wish(flags: dict[str, Any], words: tuple[str, ...], *, is_node: bool) -> Wish:
    name = flags["name"]
    if flags["target"] and not flags["quiet"]:
        print(f'Targeting container "{flags["target"]}". If you don\'t see processes from this container it may be '
              "because the container runtime doesn't support this feature.", flush=True)  # fmt: skip
    if not name and is_node:
        name = "debugger"
    elif not name and flags["image"]:
        name = f"debugger-{suffix()}"
        if not flags["quiet"]:
            print(f"Defaulting debug container name to {name}.", flush=True)
    pairs = [word.partition("=") for word in flags["env"]]
    if bad := next((word for word, (key, equals, _) in zip(flags["env"], pairs, strict=True) if not key or not equals),
                   ""):  # fmt: skip
        raise Failure(f"invalid env: {bad}")
    return Wish(
        name=name, image=flags["image"], profile=flags["profile"], words=words, stdin=flags["stdin"], tty=flags["tty"],
        arguments_only=flags["arguments_only"], env={key: value for key, _, value in pairs},
        pull_policy=flags["image_pull_policy"], flags=flags,
    )  # fmt: skip


def _attach(session: Session, kind: Kind, name: str, wish: Wish, *, quiet: bool) -> int:
    """Once the container runs; of one that has ended already, what it said."""
    state: Object = {}

    def begun(pod: Object | None) -> bool:
        if pod is None:
            raise NotFound(f'pods "{name}" not found')
        status = pod.get("status") or {}
        every = (*(status.get("containerStatuses") or ()), *(status.get("ephemeralContainerStatuses") or ()))
        state.update(next((one.get("state") or {} for one in every if one["name"] == wish.name), {}))
        return "running" in state or "terminated" in state

    if not until(session, kind, name, session.namespace, deadline(_START_S), so=begun):
        raise Failure("timed out waiting for the condition")
    if "terminated" in state:
        path = kind.path(session.namespace, name, "log")
        sys.stdout.buffer.write(session.transport.request("GET", path, query={"container": wish.name}, accept="*/*"))
        return int(state["terminated"].get("exitCode", 0))
    pod = session.get(kind, name, session.namespace)
    return attached_or_told(session, pod, wish.name, stdin=wish.stdin, tty=wish.tty, quiet=quiet)

"""`steer run NAME --image=IMAGE`: a pod made of flags."""

import json
import re
import sys
from typing import Any

import click

from api.errors import NotFound
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import query
from cli.steer.verbs.attach import attached
from cli.steer.verbs.expose import pairs, service
from cli.steer.watching import deadline, until
from cli.steer.writing import DRY_RUN, options, outcome

_START_S = 60.0
# An image's reference: https://pkg.go.dev/github.com/distribution/reference
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*"
_DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_IMAGE = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@{_DIGEST})?", re.ASCII)


@click.command("run", context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True})
@click.argument("name")
@click.argument("words", nargs=-1, metavar="-- [COMMAND] [ARGUMENT…]")
@click.option("--image", required=True, help="The image of the container.")
@click.option("--image-pull-policy", default="", help="Always, IfNotPresent or Never.")
@click.option("--port", type=int, default=0, help="The port that the container serves.")
@click.option("--env", multiple=True, help="A variable, as NAME=VALUE.")
@click.option("-l", "--labels", default="", help="Labels, as a=b,c=d; run=NAME when not said.")
@click.option("--annotations", multiple=True, help="An annotation, as a=b.")
@click.option("--restart", default="Always", help="Always, OnFailure or Never.")
@click.option("--command", "as_command", is_flag=True, help="The words after -- replace the image's entry point.")
@click.option("--privileged", is_flag=True, help="Run the container with all rights.")
@click.option("--overrides", default="", help="A JSON merge patch for the pod.")
@click.option("--expose", is_flag=True, help="Make a service for the pod too; with --port.")
@click.option("-i", "--stdin", is_flag=True, help="Keep standard input open, and attach.")
@click.option("-t", "--tty", is_flag=True, help="Give the container a terminal.")
@click.option("--attach/--no-attach", default=None, help="Attach when the pod runs.")
@click.option("--rm", "remove", is_flag=True, help="Delete the pod when it has ended; for attached ones.")
@options(DRY_RUN)
@with_session
def command(session: Session, name: str, words: tuple[str, ...], **flags: Any) -> int:
    """Create and run a particular image in a pod."""
    _check(flags)
    attach = flags["stdin"] if flags["attach"] is None else flags["attach"]
    if flags["remove"] and not attach:
        raise Failure("--rm should only be used for attached containers")
    if flags["expose"] and not flags["port"]:
        raise Failure("must specify --port when exposing")
    _create(session, pod(name, words, flags), "pods", flags)
    if flags["expose"]:
        flat = dict.fromkeys(("target_port", "protocol", "type_", "selector", "labels", "cluster_ip", "external_ip",
                              "load_balancer_ip", "session_affinity"), "")  # fmt: skip
        made = service(pod(name, words, flags), {**flat, "name": name, "port": flags["port"]})
        made["metadata"].pop("labels", None)
        _create(session, made, "services", flags)
    if not attach or flags["dry_run"] != "none":
        return 0
    try:
        return _attach(session, name, flags)
    finally:
        if flags["remove"]:
            _remove(session, name)


def _check(flags: dict[str, Any]) -> None:
    """Of what the server would say in other words, or not at all. Raises Failure."""
    if not flags["image"]:
        raise Failure("--image is required")
    if not _IMAGE.fullmatch(flags["image"]):
        raise Failure(f'invalid image name "{flags["image"]}": invalid reference format')
    if flags["restart"] not in ("", "Always", "OnFailure", "Never"):
        raise Failure(f"invalid restart policy: {flags['restart']}, valid values are: Always, OnFailure, Never")


def pod(name: str, words: tuple[str, ...], flags: dict[str, Any]) -> Object:
    """Raises Failure."""
    container: Object = {"name": name, "image": flags["image"], "resources": {}}
    if flags["image_pull_policy"]:
        container["imagePullPolicy"] = flags["image_pull_policy"]
    if words:
        container["command" if flags["as_command"] else "args"] = list(words)
    if flags["env"]:
        container["env"] = [_variable(text) for text in flags["env"]]
    if flags["port"]:
        container["ports"] = [{"containerPort": flags["port"]}]
    if flags["privileged"]:
        container["securityContext"] = {"privileged": True}
    if flags["stdin"]:
        container |= {"stdin": True, "stdinOnce": True}
    if flags["tty"]:
        container["tty"] = True
    labels = pairs(flags["labels"]) if flags["labels"] else {"run": name}
    notes = {key: value for text in flags["annotations"] for key, value in pairs(text).items()}
    meta: Object = {"name": name, "labels": labels, **({"annotations": notes} if notes else {})}
    spec = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": flags["restart"]}
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {}}
    return _merged(made, _overrides(flags["overrides"]))


def _variable(text: str) -> Object:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Failure(f"invalid env: {text}")
    return {"name": name, "value": value}


def _overrides(text: str) -> Object:
    try:
        found = json.loads(text) if text else {}
    except ValueError as error:
        raise Failure(f"Invalid JSON for --overrides: {error}") from error
    if not isinstance(found, dict):
        raise Failure("Invalid JSON for --overrides: an object is expected")
    return found


def _merged(document: Object, patch: Object) -> Object:
    from api.patching import merge_patch

    return merge_patch(document, patch) if patch else document


def _create(session: Session, document: Object, plural: str, flags: dict[str, Any]) -> None:
    kind = session.discovery.find(plural)
    space = session.space(kind)
    if flags["dry_run"] == "client":
        document["metadata"]["namespace"] = space
        made = document
    else:
        made = session.call("POST", kind.path(space), query=query(flags["dry_run"], "steer-run"), body=document)
    if not flags["stdin"]:
        outcome(Manifest(made, kind, ""), "created", made, form=flags["output"], dry_run=flags["dry_run"])


def _attach(session: Session, name: str, flags: dict[str, Any]) -> int:
    kind = session.discovery.find("pods")
    left = ("Running", "Succeeded", "Failed")

    def started(state: Object | None) -> bool:
        return state is not None and state.get("status", {}).get("phase") in left

    if not until(session, kind, name, session.namespace, deadline(_START_S), so=started):
        raise Failure("timed out waiting for the condition")
    pod = session.get(kind, name, session.namespace)
    phase = pod["status"]["phase"]
    if phase == "Running":
        return attached(session, pod, "", stdin=flags["stdin"], tty=flags["tty"])
    text = session.transport.request("GET", kind.path(session.namespace, name, "log"), accept="*/*")
    sys.stdout.buffer.write(text)
    return 0 if phase == "Succeeded" else 1


def _remove(session: Session, name: str) -> None:
    kind = session.discovery.find("pods")
    try:
        session.call("DELETE", kind.path(session.namespace, name))
    except NotFound:
        return
    print(f'pod "{name}" deleted from {session.namespace} namespace', flush=True)

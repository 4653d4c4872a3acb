"""`steer attach POD`: to what a container's first process prints and reads."""

from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.remote import run
from cli.steer.selection import one_pod
from cli.steer.session import Object, Session, with_session


@click.command("attach")
@click.argument("pod", metavar="POD | TYPE/NAME")
@click.option("-c", "--container", default="", help="The container; the pod's first when not said.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input to the container.")
@click.option("-t", "--tty", is_flag=True, help="Standard input is a terminal.")
@with_session
def command(session: Session, pod: str, **flags: Any) -> int:
    """Attach to a process that is already running inside an existing container."""
    return attached(session, one_pod(session, pod), flags["container"], stdin=flags["stdin"], tty=flags["tty"])


def attached(session: Session, name: str, container: str, *, stdin: bool, tty: bool) -> int:
    """Until the container ends; its exit code. Raises Failure."""
    found = session.get(session.discovery.find("pods"), name, session.namespace)
    if found.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        raise Failure(f"cannot attach a container in a completed pod; current phase is {found['status']['phase']}")
    chosen = _container(found, container)
    if tty and not chosen.get("tty"):
        print(f"Unable to use a TTY - container {chosen['name']} did not allocate one")
        tty = False
    if stdin and tty:
        print("If you don't see a command prompt, try pressing enter.")
    return run(session, name, chosen["name"], (), stdin=stdin, tty=tty, at="attach")


def _container(pod: Object, name: str) -> Object:
    containers: list[Object] = [
        one for group in ("containers", "initContainers", "ephemeralContainers") for one in pod["spec"].get(group) or ()
    ]
    for one in containers:
        if name in ("", one["name"]):
            return one
    raise Failure(f"container {name} not found in pod {pod['metadata']['name']}")

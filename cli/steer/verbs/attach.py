"""`steer attach POD`: to what a container's first process prints and reads."""

import sys
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.pods import container_meant, pod_meant, refuse_ended
from cli.steer.remote import run
from cli.steer.session import Object, Session, with_session


@click.command("attach")
@click.argument("pod", metavar="POD | TYPE/NAME")
@click.option("-c", "--container", default="", help="The container; the pod's first when not said.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input to the container.")
@click.option("-t", "--tty", is_flag=True, help="Standard input is a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what the session does.")
@with_session
def command(session: Session, pod: str, **flags: Any) -> int:
    """Attach to a process that is already running inside an existing container."""
    found, quiet = pod_meant(session, pod), flags["quiet"]
    return attached(session, found, flags["container"], stdin=flags["stdin"], tty=flags["tty"], quiet=quiet)


def attached(session: Session, pod: Object, container: str, *, stdin: bool, tty: bool, quiet: bool = False) -> int:
    """Until the container ends; its exit code. Raises Failure."""
    refuse_ended(pod, "attach")
    chosen = container_meant(pod, container, doing="cannot attach to the container: ", quiet=quiet)
    if tty and not chosen.get("tty"):
        print(f"Unable to use a TTY - container {chosen['name']} did not allocate one")
        tty = False
    if stdin and tty and not quiet:
        print("If you don't see a command prompt, try pressing enter.")
    return run(session, pod["metadata"]["name"], chosen["name"], (), stdin=stdin, tty=tty, at="attach")


def attached_or_told(session: Session, pod: Object, container: str, *, stdin: bool, tty: bool, quiet: bool) -> int:
    """The same; of a container that has ended meanwhile, what it said."""
    name = pod["metadata"]["name"]
    try:
        return attached(session, pod, container, stdin=stdin, tty=tty, quiet=quiet)
    except Failure as error:
        why = str(error).removeprefix("error: ").removeprefix("Error from server (InternalError): ")
        print(f"warning: couldn't attach to pod/{name}, falling back to streaming logs: {why}", file=sys.stderr)
    path = session.discovery.find("pods").path(session.namespace, name, "log")
    for piece in session.transport.stream(path, query={"container": container, "follow": True}, accept="*/*").chunks():
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    return 0

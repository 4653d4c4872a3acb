"""`steer exec POD -- COMMAND`: over WebSocket channels (v5), with a terminal when asked for."""

from typing import Any

import click

from cli.steer.dashes import Dashed, after_dashes
from cli.steer.failures import Failure
from cli.steer.pods import container_meant, pod_meant, refuse_ended
from cli.steer.remote import run
from cli.steer.session import Session, with_session


@click.command("exec", cls=Dashed)
@click.argument("pod", metavar="POD | TYPE/NAME")
@click.argument("words", nargs=-1, metavar="-- COMMAND [ARGUMENT…]")
@click.option("-c", "--container", default="", help="The container; the pod's first when not said.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input to the command.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what the session does.")
@with_session
def command(session: Session, pod: str, words: tuple[str, ...], **flags: Any) -> int:
    """Execute a command in a container."""
    command_ = after_dashes()
    if words and not command_:
        raise Failure("exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
                      "See 'steer exec -h' for help and examples")  # fmt: skip
    if not command_:
        raise Failure("you must specify at least one command for the container")
    found = pod_meant(session, pod)
    refuse_ended(found, "exec into")
    container = container_meant(found, flags["container"], quiet=flags["quiet"])["name"]
    return run(session, found["metadata"]["name"], container, command_, stdin=flags["stdin"], tty=flags["tty"])

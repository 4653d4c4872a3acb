"""`steer completion SHELL`: `source <(steer completion bash)`."""

import click
from click.shell_completion import get_completion_class

from cli.steer.failures import Failure

CALLED = '    _steer_completion "$@"\n'


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Output shell completion code for the specified shell (bash, zsh or fish)."""
    from cli.steer.main import steer

    found = get_completion_class(shell)
    if found is None:
        raise Failure(f"no completion for {shell}")
    source = found(steer, {}, "steer", "_STEER_COMPLETE").source()
    # Read from fpath, click's script answers the first tab alone: the second one only names the function for the third.
    print(source.replace(CALLED, f"    compdef _steer_completion steer\n{CALLED}"))

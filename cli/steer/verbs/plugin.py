"""`steer plugin list`: the programs that are verbs too (`cli.steer.plugins`)."""

import sys

import click

from cli.steer.failures import Failure
from cli.steer.plugins import on_path, warnings
from cli.steer.reaching import with_common


@click.group("plugin")
@with_common
def command() -> None:
    """Provides utilities for interacting with plugins: programs named steer-* on the PATH."""


@command.command("list")
@click.option("--name-only", is_flag=True, help="Only the names, without their folders.")
def list_(name_only: bool) -> None:
    """List all visible plugin executables on a user's PATH."""
    from cli.steer.main import VERBS

    found = list(on_path())
    if not found:
        raise Failure("unable to find any steer plugins in your PATH")
    wrong = list(warnings(found, [verb.name for verb in VERBS]))
    print("The following compatible plugins are available:\n", flush=True)
    for file in found:
        print(file.name if name_only else file, flush=True)
        for _, text in (one for one in wrong if one[0] == file):
            print(f"  - warning: {text}", file=sys.stderr)
    if wrong:
        raise Failure("one plugin warning was found" if len(wrong) == 1 else f"{len(wrong)} plugin warnings were found")

"""The flags that name objects by where they are written: -f, -k and -R."""

import click

from cli.steer.failures import Failure
from cli.steer.kustomizing import Kustomization
from cli.steer.manifests import Source

_SAID = "cli.steer.files"


def _keep(ctx: click.Context, _: click.Parameter, value: str) -> None:
    ctx.meta[_SAID] = value


def _all(ctx: click.Context, _: click.Parameter, value: tuple[str, ...]) -> tuple[Source, ...]:
    folder = ctx.meta.pop(_SAID, "")
    if folder and value:
        raise Failure("only one of -f or -k can be specified")
    return (Kustomization(folder),) if folder else value


# -k goes into what -f is for the verb.
FILES = (
    click.option("-f", "--filename", multiple=True, callback=_all, help="File, folder, URL or -."),
    click.option("-k", "--kustomize", default="", is_eager=True, expose_value=False, callback=_keep,
                 help="A folder with a kustomization; needs the program kustomize."),
    click.option("-R", "--recursive", is_flag=True, help="Process the folder of -f recursively."),
)  # fmt: skip

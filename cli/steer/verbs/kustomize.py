"""`steer kustomize DIR`: the objects that a kustomization comes to."""

import sys

import click

from cli.steer.kustomizing import built


@click.command("kustomize")
@click.argument("place", default=".", metavar="[DIR]")
def command(place: str) -> None:
    """Build a kustomization target from a directory or URL, with the program kustomize."""
    sys.stdout.write(built(place))

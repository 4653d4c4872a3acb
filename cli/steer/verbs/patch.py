"""`steer patch TYPE NAME -p PATCH`."""

import json
from pathlib import Path
from typing import Any

import click
import yaml

from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.selection import chosen
from cli.steer.session import PATCH_TYPES, Session, with_session
from cli.steer.writing import DRY_RUN, options, outcome


@click.command("patch")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@click.option("-p", "--patch", "text", default="", help="The patch, as JSON or YAML.")
@click.option("--patch-file", default="", help="A file with the patch.")
@click.option(
    "--type", "form", default="strategic", type=click.Choice(sorted(PATCH_TYPES)), help="The type of the patch."
)
@click.option("--subresource", default="", help="The subresource that is patched, as status or scale.")
@options(DRY_RUN)
@with_session
def command(
    session: Session,
    words: tuple[str, ...],
    text: str,
    patch_file: str,
    form: str,
    subresource: str,
    dry_run: str,
    output: str,
) -> None:
    """Update fields of a resource using a strategic merge patch, a JSON merge patch, or a JSON patch."""
    patch = _patch(text, patch_file)
    for one in chosen(session, words):
        if not one.names:
            raise Failure("resource(s) were provided, but no name was specified")
        for name in one.names:
            _one(
                session, Manifest({"metadata": {"name": name}}, one.kind, ""), patch, form, subresource, dry_run, output
            )


def _one(session: Session, item: Manifest, patch: Any, form: str, subresource: str, dry_run: str, output: str) -> None:
    space = session.space(item.kind)
    before = session.get(item.kind, item.name, space)
    after = session.call(
        "PATCH", item.kind.path(space, item.name, subresource), body=patch, content_type=PATCH_TYPES[form],
        query={"fieldManager": "steer-patch", "dryRun": "" if dry_run == "none" else "All"},
    )  # fmt: skip
    same = before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion") and dry_run == "none"
    if after["kind"] != item.kind.kind:  # a subresource that is an object of its own, as a scale
        group, _, version = after["apiVersion"].rpartition("/")
        name = after["kind"].lower()
        item = Manifest(after, Kind(group, version, name, name, after["kind"], item.kind.namespaced), "")
    outcome(item, "patched (no change)" if same else "patched", after, form=output, dry_run=dry_run)


def _patch(text: str, file: str) -> Any:
    """What looks like JSON is the server's to judge, as it stands; all else is YAML."""
    if bool(text) == bool(file):
        raise Failure("must specify --patch or --patch-file containing the contents of the patch")
    try:
        raw = text or Path(file).read_text()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"unable to read patch file: open {file}: {reason}") from error
    if raw.lstrip().startswith("{"):
        return raw.encode()
    try:
        return json.loads(raw)
    except ValueError:
        pass
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise Failure(f'unable to parse "{raw}": {error}') from error

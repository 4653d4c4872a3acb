"""`steer apply view-last-applied|set-last-applied|edit-last-applied`: the note of what was applied, which the next
`apply` compares with."""

import json
from typing import Any

import click

from cli.steer.editing import edited
from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, manifests
from cli.steer.notes import NOTE, note_of
from cli.steer.output.documents import as_yaml
from cli.steer.output.flags import OUTPUT
from cli.steer.output.gojson import go_json
from cli.steer.selection import NOTHING_SAID
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.writing import DRY_RUN, MANAGER, each, options, outcome


@click.command("view-last-applied")
@click.argument("words", nargs=-1, metavar="TYPE [NAME] | TYPE/NAME")
@options(WHICH)
@click.option("-o", "--output", default="yaml", help="Output format: yaml|json.")
@with_session
def _view(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """View the latest last-applied-configuration annotations of a resource or object."""
    if flags["output"] not in ("yaml", "json"):
        raise Failure(f"Unexpected -o output mode: {flags['output']}, the flag 'output' must be one of yaml|json\n"
                      "See 'steer apply view-last-applied -h' for help and examples")  # fmt: skip
    if not (words or flags["filename"]):
        raise Failure(NOTHING_SAID)
    every = {**flags, "everything": not (flags["selector"] or flags["field_selector"])}
    for item in targets(session, words, every):
        if note := note_of(item.document):
            told = json.loads(note)
            print(go_json(told, indent=2) if flags["output"] == "json" else as_yaml(told).removesuffix("\n"))


@click.command("set-last-applied")
@options(FILES, DRY_RUN)
@click.option("--create-annotation", is_flag=True, help="Also where nothing is noted yet.")
@with_session
def _set(session: Session, **flags: Any) -> None:
    """Set the last-applied-configuration annotation on a live object to match the contents of a file."""
    if not flags["filename"]:
        raise Failure(NOTHING_SAID)

    def one(item: Manifest) -> None:
        there = session.get(item.kind, item.name, item.namespace(session))
        before = note_of(there)
        if not before and not flags["create_annotation"]:
            raise Failure(f"no last-applied-configuration annotation found on resource: {item.name}, to create the "
                          "annotation, run the command with --create-annotation")  # fmt: skip
        note = _note(item.document, item.namespace(session))
        if note == before:
            print(f"set-last-applied {item.name}: no changes required.")
            return
        found = there if flags["dry_run"] == "client" else _written(session, item, note, flags["dry_run"])
        outcome(item, "configured", found, form=flags["output"], dry_run=flags["dry_run"])

    each(manifests(session, flags["filename"], recursive=flags["recursive"]), one)


@click.command("edit-last-applied")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH, MANAGER, OUTPUT)
@with_session
def _edit(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Edit the latest last-applied-configuration annotations of a resource or object."""
    if not (words or flags["filename"]):
        raise Failure(NOTHING_SAID)

    def one(item: Manifest) -> None:
        if not (note := note_of(item.document)):
            raise Failure("no last-applied-configuration annotation found on resources, to create the annotation, use "
                          "command `steer apply set-last-applied --create-annotation`")  # fmt: skip

        def send(after: Object) -> None:
            found = _written(session, item, _note(after, item.namespace(session)), "none")
            outcome(item, "edited", found, form=flags["output"], dry_run="none")

        edited(item, json.loads(note), send)

    each(targets(session, words, flags), one)


def _note(document: Object, namespace: str) -> str:
    """An object as it is noted: in its namespace, and without a note or empty annotations of its own."""
    meta = {**document["metadata"], **({"namespace": namespace} if namespace else {})}
    left = {key: value for key, value in (meta.pop("annotations", None) or {}).items() if key != NOTE}
    return go_json({**document, "metadata": {**meta, **({"annotations": left} if left else {})}}) + "\n"


def _written(session: Session, item: Manifest, note: str, dry_run: str) -> Object:
    patch = {"metadata": {"annotations": {NOTE: note}}}
    asks = query(dry_run, "steer-client-side-apply")
    found: Object = session.patch(item.kind, item.name, item.namespace(session), patch, form="merge", query=asks)
    return found


VERBS = (_view, _set, _edit)

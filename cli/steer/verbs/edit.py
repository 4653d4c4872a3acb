"""`steer edit TYPE NAME`: the object in an editor; what was changed there is sent as a patch."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import yaml

from api.errors import ApiError
from cli.steer.failures import Failure, told
from cli.steer.manifests import Manifest, one_document
from cli.steer.output.documents import as_yaml
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.three_way import three_way
from cli.steer.writing import each, options

_HEAD = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""
_UNCHANGED = "Edit cancelled, no changes made."
_INVALID = "Edit cancelled, no valid changes were saved."


@click.command("edit")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH)
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Edit a resource on the server, in the program that KUBE_EDITOR or EDITOR names."""
    each(targets(session, words, flags), lambda item: _edit(session, item))


def _edit(session: Session, item: Manifest) -> None:
    before = _shown(item.document)
    text = first = _HEAD + as_yaml(before)
    while True:
        edited = _in_editor(text)
        if _bare(edited) in ("", _bare(first)):
            print(_UNCHANGED, file=sys.stderr)
            return
        if edited == text:
            _give_up(edited, item)
        wrong = _sent(session, item, before, edited)
        if not wrong:
            return
        notes = "".join(f"# {line}\n" for line in wrong.splitlines())
        text = f"{_HEAD}{notes}#\n{_bare(edited)}\n"


def _give_up(edited: str, item: Manifest) -> None:
    """What was refused, and not changed then, is kept for the one who wrote it."""
    with tempfile.NamedTemporaryFile("w", prefix="steer-edit-", suffix=".yaml", delete=False) as kept:
        kept.write(edited)
    plural = item.kind.plural + (f".{item.kind.group}" if item.kind.group else "")
    raise Failure(f'error: {plural} "{item.name}" is invalid\nA copy of your changes has been stored to "{kept.name}"\n'
                  f"error: {_INVALID}", prefix="")  # fmt: skip


def _sent(session: Session, item: Manifest, before: Object, edited: str) -> str:
    """What is wrong with the edited text, or empty when it was taken."""
    try:
        after = one_document(edited)
    except yaml.YAMLError as error:
        return f"The edited file failed validation: {error}"
    identity = ("kind", "apiVersion")
    if not isinstance(after, dict) or any(after.get(field) != before[field] for field in identity):
        return "The edited file must be the same object, with its apiVersion and kind."
    patch, form = three_way(before, after, before)
    asks = query("none", "steer-edit")
    try:
        session.patch(item.kind, item.name, item.namespace(session), patch, form=form, query=asks)
    except ApiError as error:
        return told(error)
    print(f"{item.shown} edited", flush=True)
    return ""


def _shown(found: Object) -> Object:
    meta = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    return {**found, "metadata": meta}


def _bare(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip()


def _in_editor(text: str) -> str:
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="steer-edit-") as folder:
        file = Path(folder) / "object.yaml"
        file.write_text(text)
        try:
            code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        except OSError as error:
            raise Failure(f"unable to launch the editor {editor!r}: {error.strerror}") from error
        if code:
            raise Failure(f"there was a problem with the editor {editor!r}")
        return file.read_text()

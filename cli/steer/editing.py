"""An object in the editor that KUBE_EDITOR or EDITOR names, again and again until the server takes it."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from api.errors import ApiError
from cli.steer.failures import Failure, told
from cli.steer.manifests import Manifest, one_document
from cli.steer.output.documents import as_yaml
from cli.steer.session import Object

_HEAD = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""
_UNCHANGED = "Edit cancelled, no changes made."
_INVALID = "Edit cancelled, no valid changes were saved."


def edited(item: Manifest, before: Object, send: Callable[[Object], None]) -> None:
    """``before`` is shown and changed, ``send`` writes what came of it. Raises Failure."""
    text = first = _HEAD + as_yaml(before)
    while True:
        after = _in_editor(text)
        if _bare(after) in ("", _bare(first)):
            print(_UNCHANGED, file=sys.stderr)
            return
        if after == text:
            _give_up(after, item)
        wrong = _sent(before, after, send)
        if not wrong:
            return
        notes = "".join(f"# {line}\n" for line in wrong.splitlines())
        text = f"{_HEAD}{notes}#\n{_bare(after)}\n"


def _give_up(text: str, item: Manifest) -> None:
    """What was refused, and not changed then, is kept for the one who wrote it."""
    with tempfile.NamedTemporaryFile("w", prefix="steer-edit-", suffix=".yaml", delete=False) as kept:
        kept.write(text)
    plural = item.kind.plural + (f".{item.kind.group}" if item.kind.group else "")
    raise Failure(f'error: {plural} "{item.name}" is invalid\nA copy of your changes has been stored to "{kept.name}"\n'
                  f"error: {_INVALID}", prefix="")  # fmt: skip


def _sent(before: Object, text: str, send: Callable[[Object], None]) -> str:
    """What is wrong with the edited text, or empty when it was taken."""
    try:
        after = one_document(text)
    except yaml.YAMLError as error:
        return f"The edited file failed validation: {error}"
    if not isinstance(after, dict) or any(after.get(field) != before[field] for field in ("kind", "apiVersion")):
        return "The edited file must be the same object, with its apiVersion and kind."
    try:
        send(after)
    except ApiError as error:
        return told(error)
    return ""


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

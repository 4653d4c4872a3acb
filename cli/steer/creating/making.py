"""What all the verbs of `steer create KIND NAME` have in common: one name, the flags of a write, and how it is told.

A builder takes the session, the name and the flags, and returns the object. Its keys stand in the order of Kubernetes'
own types, in which kubectl prints JSON.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from api.errors import ApiError
from cli.steer.dashes import Dashed, after_dashes
from cli.steer.failures import Failure, told
from cli.steer.manifests import Manifest
from cli.steer.notes import NOTE
from cli.steer.output.gojson import go_json
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import query
from cli.steer.writing import DRY_RUN, SAVE_CONFIG, VALIDATE, options, outcome

Build = Callable[[Session, str, dict[str, Any]], Object]


@dataclass(frozen=True, slots=True)
class Made:
    """Which kind a verb makes. ``refused``: what is said before the server's reason; nothing: as an error of its own.
    ``after_dashes``: the flag that gets the words after ``--``; no flag: there are none. ``required``: flags.
    """

    plural: str
    refused: str = ""
    after_dashes: str = ""
    required: tuple[str, ...] = ()


def maker(verb: str, made: Made, help_: str, *flags: Any) -> Callable[[Build], click.Command]:
    """Makes a command of a builder."""

    def wrap(build: Build) -> click.Command:
        @click.command(verb, cls=Dashed, help=help_)
        @click.argument("names", nargs=-1, metavar="NAME")
        @options(flags, VALIDATE, DRY_RUN, SAVE_CONFIG)
        @with_session
        def command(session: Session, names: tuple[str, ...], dry_run: str, output: str, save_config: bool,
                    validate: str, **values: Any) -> None:  # fmt: skip
            if made.after_dashes:
                values[made.after_dashes] = after_dashes()
            _check_required(values, made.required)
            document = build(session, one_name(names), values)
            if save_config:
                notes = {NOTE: go_json(document, sort_keys=False) + "\n"}
                document["metadata"]["annotations"] = notes
            _write(session, document, made, form=output, dry_run=dry_run, validate=validate)

        assert isinstance(command, Dashed)
        command.after_dashes = bool(made.after_dashes)
        return command

    return wrap


def one_name(names: Sequence[str]) -> str:
    """Raises Failure."""
    if len(names) != 1:
        path = click.get_current_context().command_path
        raise Failure(f"exactly one NAME is required, got {len(names)}\nSee '{path} -h' for help and examples")
    return names[0]


def _check_required(flags: dict[str, Any], names: tuple[str, ...]) -> None:
    """Raises Failure when one was not said."""
    missing = [f'"{name.replace("_", "-")}"' for name in names if not flags[name]]
    if missing:
        raise Failure(f"required flag(s) {', '.join(missing)} not set")


def meta(session: Session, name: str, *, namespaced: bool = True, labels: dict[str, str] | None = None) -> Object:
    """As kubectl: with the namespace when it was said."""
    where = {"namespace": session.namespace} if namespaced and session.has_namespace else {}
    return {"name": name, **where, **({"labels": labels} if labels else {})}


def _write(session: Session, document: Object, made: Made, *, form: str, dry_run: str, validate: str) -> None:
    kind = session.discovery.find(made.plural)
    item = Manifest(document, kind, "")
    if dry_run == "client":
        outcome(item, "created", document, form=form, dry_run=dry_run, in_order=True)
        return
    asks = {**query(dry_run, "steer-create"), "fieldValidation": validate}
    try:
        found = session.call("POST", kind.path(session.space(kind)), query=asks, body=document)
    except ApiError as error:
        raise (_refused(error, made.refused) if made.refused else Failure(told(error), prefix="")) from error
    outcome(item, "created", found, form=form, dry_run=dry_run, in_order=True)


def _refused(error: ApiError, doing: str) -> Failure:
    return Failure(f"failed to create {doing} {error.message}")

"""`steer create -f FILE`, and `steer create KIND NAME` for the kinds that are made of flags (`cli.steer.creating`)."""

from dataclasses import replace
from importlib import import_module
from typing import Any, cast

import click

from api.errors import ApiError
from cli.steer.failures import Failure, unexpected
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, Source, labelled, manifests
from cli.steer.notes import with_note
from cli.steer.session import Session, with_session
from cli.steer.writing import DRY_RUN, SAVE_CONFIG, VALIDATE, each, failed, options, outcome

# Each with its module; those in the second column are other names for the first.
_KINDS = (
    ("clusterrole", (), "rights"),
    ("clusterrolebinding", (), "rights"),
    ("configmap", ("cm",), "data"),
    ("deployment", ("deploy",), "workloads"),
    ("namespace", ("ns",), "names"),
    ("poddisruptionbudget", ("pdb",), "policies"),
    ("priorityclass", ("pc",), "policies"),
    ("quota", ("resourcequota",), "policies"),
    ("role", (), "rights"),
    ("rolebinding", (), "rights"),
    ("secret", (), "data"),
    ("service", ("svc",), "services"),
    ("serviceaccount", ("sa",), "names"),
    ("token", (), "names"),
)


class _Kinds(click.Group):
    """Only the module of the kind that is made is loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for name, _, _ in _KINDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for name, others, module in _KINDS:
            if cmd_name == name or cmd_name in others:
                return cast(click.Command, getattr(import_module(f"cli.steer.creating.{module}"), name))
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            raise unexpected(ctx, args)
        _, command, rest = super().resolve_command(ctx, args)
        # By its own name, whatever it was called.
        return command.name if command is not None else None, command, rest


@click.group("create", cls=_Kinds, invoke_without_command=True)
@options(FILES, VALIDATE, DRY_RUN, SAVE_CONFIG)
@click.option("-l", "--selector", default="", help="Only those objects of the files that have these labels.")
@with_session
def command(
    session: Session, filename: tuple[Source, ...], recursive: bool, validate: str, dry_run: str, output: str,
    save_config: bool, selector: str,
) -> None:  # fmt: skip
    """Create a resource from a file or from stdin, or of flags."""
    if click.get_current_context().invoked_subcommand is not None:
        return

    def create(item: Manifest) -> None:
        if save_config:
            item = replace(item, document=with_note(item.document, item.namespace(session)))
        _create(session, item, form=output, dry_run=dry_run, validate=validate)

    found = labelled(manifests(session, filename, recursive=recursive), selector)
    if not found:
        raise Failure("no objects passed to create")
    each(found, create)


def _create(session: Session, item: Manifest, *, form: str, dry_run: str, validate: str) -> None:
    namespace = item.namespace(session)
    if dry_run == "client":
        meta = {**item.document["metadata"], **({"namespace": namespace} if namespace else {})}
        outcome(item, "created", {**item.document, "metadata": meta}, form=form, dry_run=dry_run)
        return
    query = {
        "fieldManager": "steer-create",
        "fieldValidation": validate,
        "dryRun": "All" if dry_run == "server" else "",
    }
    try:
        made = session.call("POST", item.kind.path(namespace), query=query, body=item.document)
    except ApiError as error:
        if not item.source:
            raise
        raise failed(error, "creating", item.source) from error
    outcome(item, "created", made, form=form, dry_run=dry_run)

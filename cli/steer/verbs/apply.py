"""`steer apply -f FILE`: creates what is missing, and brings what is there to what the file says.

`--prune` deletes what was applied once and has gone from the files (`cli.steer.pruning`); `view-last-applied`,
`set-last-applied` and `edit-last-applied` are about the note of what was applied (`cli.steer.lastapplied`).
"""

from typing import Any

import click

from api.errors import ApiError
from cli.steer import applying, lastapplied, pruning
from cli.steer.failures import Failure, unexpected
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, labelled, manifests
from cli.steer.output.documents import as_written
from cli.steer.output.printing import Form, object_name, printer, unmanaged
from cli.steer.session import Object, Session, with_session
from cli.steer.writing import DRY_RUN, VALIDATE, each, failed, options, outcome


class _Group(click.Group):
    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise unexpected(ctx, args)
        return super().resolve_command(ctx, args)


@click.group("apply", cls=_Group, invoke_without_command=True)
@options(FILES, VALIDATE, DRY_RUN)
@click.option("-l", "--selector", default="", help="Only those objects of the files that have these labels.")
@click.option("--server-side", is_flag=True, help="Let the server merge, by who manages which fields.")
@click.option("--force-conflicts", is_flag=True, help="With --server-side: take fields that others manage.")
@click.option("--prune", is_flag=True, help="Delete what was applied before and is not in the files any more.")
@click.option("--all", "everything", is_flag=True, help="With --prune: whatever its labels are.")
@click.option("--prune-allowlist", "--prune-whitelist", multiple=True, metavar="GROUP/VERSION/KIND",
              help="With --prune: objects of these kinds only.")  # fmt: skip
@with_session
def command(session: Session, **flags: Any) -> None:
    """Apply a configuration to a resource by file name or stdin. It is created if it does not exist yet."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    _check(flags)
    dry_run = flags["dry_run"]
    kinds = pruning.kinds(session, flags["prune_allowlist"]) if flags["prune"] else []
    applied: list[tuple[Manifest, Object]] = []

    def apply(item: Manifest) -> None:
        try:
            if flags["server_side"]:
                done = "serverside-applied"
                found = applying.by_server(
                    session, item, dry_run, flags["validate"], force=flags["force_conflicts"]
                )  # fmt: skip
            else:
                done, found = applying.here(session, item, dry_run, flags["validate"])
        except ApiError as error:
            raise failed(error, "applying", item.source) from error
        applied.append((item, found))
        if flags["output"] in ("", "name"):
            outcome(item, done, found, form=flags["output"], dry_run=dry_run)

    items = labelled(manifests(session, flags["filename"], recursive=flags["recursive"]), flags["selector"])
    if not items:
        raise Failure("no objects passed to apply")
    try:
        each(items, apply)
    finally:
        if applied and flags["output"] not in ("", "name"):
            _print(applied, flags["output"])
    if flags["prune"]:
        pruning.prune(session, applied, kinds, labels=flags["selector"], dry_run=dry_run, form=flags["output"])


def _print(applied: list[tuple[Manifest, Object]], form: Form) -> None:
    """Several as one list, once all is done."""
    item, found = applied[0]
    if len(applied) > 1:
        found = as_written([unmanaged(one) for _, one in applied])
    printer(form, name_of=lambda one: object_name(item.kind, one), as_one=True, in_order=len(applied) > 1)([found])


def _check(flags: dict[str, Any]) -> None:
    if flags["force_conflicts"] and not flags["server_side"]:
        raise Failure("--force-conflicts only works with --server-side")
    if flags["server_side"] and flags["dry_run"] == "client":
        raise Failure("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)")
    if flags["everything"] and flags["selector"]:
        raise Failure("cannot set --all and --selector at the same time")
    if flags["prune"] and not (flags["everything"] or flags["selector"]):
        raise Failure(
            "all resources selected for prune without explicitly passing --all. To prune all resources, pass the "
            "--all flag. If you did not mean to prune all resources, specify a label selector"
        )


for verb in lastapplied.VERBS:
    command.add_command(verb)

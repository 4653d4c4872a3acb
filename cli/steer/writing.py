"""What the verbs that write have in common: flags, and how each object's outcome is told."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from api.errors import ApiError
from cli.steer.failures import Failure, told
from cli.steer.manifests import Manifest
from cli.steer.output.flags import OUTPUT
from cli.steer.output.printing import object_name, printer
from cli.steer.reaching import remember
from cli.steer.session import Object

F = TypeVar("F", bound=Callable[..., Any])
_BEGUN = "cli.steer.writing.begun"

ONLY_DRY = (
    click.option("--dry-run", default="none", type=click.Choice(["none", "client", "server"]), is_flag=False,
                 flag_value="client", help="Only show what would be done: here, or by the server."),
)  # fmt: skip
MANAGER = (
    click.option("--field-manager", expose_value=False, callback=remember, default="",
                 help="The name under which the fields that are set are noted."),
)  # fmt: skip
DRY_RUN = (*ONLY_DRY, *MANAGER, *OUTPUT)
_CHECKS = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}


def _check(_: click.Context, __: click.Parameter, said: str) -> str:
    """The server's word for it. Raises Failure."""
    if said not in _CHECKS:
        raise Failure(f'invalid - validate option "{said}"; must be one of: strict (or true), warn, ignore (or false)')
    return _CHECKS[said]


VALIDATE = (
    click.option("--validate", default="strict", is_flag=False, flag_value="strict", callback=_check,
                 help="What of unknown and doubled fields: strict refuses them, warn tells, ignore drops them."),
)  # fmt: skip


SAVE_CONFIG = (click.option("--save-config", is_flag=True, help="Keep the configuration in an annotation, for apply."),)


def options(*groups: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    """Several flags at once."""

    def add(function: F) -> F:
        for group in reversed(groups):
            for option in reversed(group):
                function = option(function)
        return function

    return add


def outcome(item: Manifest, done: str, found: Object, *, form: str, dry_run: str, in_order: bool = False) -> None:
    """One line, ``pod/web created``, or the object in the form that was asked for; ``in_order``: JSON as it stands."""
    if form:
        if form == "yaml":
            _separate()
        printer(form, name_of=lambda one: object_name(item.kind, one), as_one=True, in_order=in_order)([found])
        return
    print(f"{object_name(item.kind, found)} {done}{tried(dry_run)}", flush=True)


def _separate() -> None:
    """From what this call has printed before."""
    meta = click.get_current_context().meta
    if meta.setdefault(_BEGUN, False):
        print("---")
    meta[_BEGUN] = True


def tried(dry_run: str) -> str:
    """What a line ends with when nothing was done."""
    return {"client": " (dry run)", "server": " (server dry run)"}.get(dry_run, "")


def failed(error: ApiError, verb: str, source: str) -> Failure:
    """A refusal, with the file that it is about."""
    return Failure(told(error, doing=f'error when {verb} "{source}"'), prefix="")


def each(items: Any, act: Callable[[Manifest], None]) -> None:
    """All are tried; what failed is told as it happens and makes the exit code 1."""
    import sys

    from cli.steer.failures import Several

    bad = False
    for item in items:
        try:
            act(item)
        except Failure as error:
            bad = True
            print(error, file=sys.stderr)
    if bad:
        raise Several

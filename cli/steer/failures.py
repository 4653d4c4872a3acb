"""How failures are told: in kubectl's words, which people and scripts know.

Source of the words: kubectl's pkg/cmd/util/helpers.go.
"""

from collections.abc import Sequence
from itertools import takewhile

import click

from api.errors import ApiError
from api.meta import StatusCause
from client import Unreachable


class Failure(Exception):
    """A verb could not do its work; the text is printed as it is."""

    def __init__(self, message: str, *, exit_code: int = 1, prefix: str = "error: ") -> None:
        super().__init__(f"{prefix}{message}" if message else "")
        self.exit_code = exit_code


class Several(Failure):
    """Some of many things failed, and each has been told already."""

    def __init__(self) -> None:
        super().__init__("")


def unexpected(ctx: click.Context, args: Sequence[str]) -> Failure:
    """Words where a verb takes flags, or the name of a verb below it."""
    words = " ".join(takewhile(lambda word: not word.startswith("-"), args))
    return Failure(f"Unexpected args: [{words}]\nSee '{ctx.command_path} -h' for help and examples")


def told(error: ApiError | Unreachable, *, doing: str = "") -> str:
    """One failure; ``doing`` is what was tried, as ``error when creating "web.yaml"``."""
    if isinstance(error, Unreachable):
        return _unreachable(str(error))
    details = error.details
    if error.reason == "Invalid" and details is not None and details.causes:
        return _invalid(details.kind, details.name, details.causes)
    name = f" ({error.reason})" if error.reason and error.reason != "Unknown" else ""
    return f"Error from server{name}: {f'{doing}: ' if doing else ''}{error.message}"


def _invalid(kind: str, name: str, causes: list[StatusCause]) -> str:
    first = f'The {kind} "{name}" is invalid' if kind or name else "The request is invalid"
    lines = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    if len(lines) == 1:
        return f"{first}: {lines[0]}"
    return "\n".join([f"{first}: ", *(f"* {line}" for line in lines)])


def _unreachable(text: str) -> str:
    if "refused" in text:
        server = text.partition("://")[2].partition("/")[0] or text
        return f"The connection to the server {server} was refused - did you specify the right host or port?"
    return f"Unable to connect to the server: {text}"


def _unknown(name: str, ctx: click.Context | None) -> str:
    """kubectl offers its own verbs, and for those below them sends to their help."""
    if ctx is None or ctx.parent is not None or not isinstance(ctx.command, click.Group):
        return (
            f"error: unknown command \"{name}\"\nSee '{ctx.command_path if ctx else 'steer'} -h' for help and examples"
        )
    close = [verb for verb in ctx.command.list_commands(ctx) if verb.startswith(name.lower()) or _typo(verb, name)]
    offered = ["", "Did you mean this?", *(f"\t{verb}" for verb in close)] if close else []
    return "\n".join([f'error: unknown command "{name}" for "{ctx.command_path}"', *offered])


def _typo(verb: str, name: str) -> bool:
    """At most two letters added, left out or others, which is cobra's measure too."""
    row = list(range(len(name) + 1))
    for letter in verb:
        before, row = row, [row[0] + 1]
        for at, other in enumerate(name.lower()):
            row.append(min(before[at] + (letter != other), before[at + 1] + 1, row[at] + 1))
    return row[-1] <= 2


def called_wrongly(error: click.UsageError) -> str:
    """What is wrong with the words of a call."""
    command = error.ctx.command_path if error.ctx is not None else "steer"
    see = f"See '{command} --help' for usage."
    if isinstance(error, click.NoSuchOption):
        if error.option_name.startswith("--"):
            return f"error: unknown flag: {error.option_name}\n{see}"
        return f"error: unknown shorthand flag: '{error.option_name[-1]}' in {error.option_name}\n{see}"
    text = error.format_message()
    if text.startswith("No such command "):
        name = text.removeprefix("No such command ").strip(".'")
        return _unknown(name, error.ctx)
    return f"error: {text}\n{see}"

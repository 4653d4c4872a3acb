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
    if error.reason == "Invalid" and not (details is not None and (details.kind or details.name)):
        return f"The request is invalid: {error.message}"
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

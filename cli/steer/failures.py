"""How failures are told: in kubectl's words, which people and scripts know.

Source of the words: kubectl's pkg/cmd/util/helpers.go.
"""

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
        return f'error: unknown command "{name}" for "{command}"'
    return f"error: {text}\n{see}"

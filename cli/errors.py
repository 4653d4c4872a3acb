"""What a command may end with: a problem told in one line, and what to do about it."""


class CommandError(Exception):
    """A command could not do its work. Printed without a traceback; the process ends with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def is_forbidden(error: BaseException) -> bool:
    """Whether the host's rights are the reason, wrapped as they may be: Docker's library wraps three times."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, PermissionError):
        found = found.__context__
    return found is not None


class SettingsError(CommandError):
    """Settings that cannot be used, each problem on a line of its own."""

    exit_code = 2

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems

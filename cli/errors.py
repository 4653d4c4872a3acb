"""What a command may end with: a problem told in one line, and what to do about it."""


class CommandError(Exception):
    """A command could not do its work. Printed without a traceback; the process ends with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(CommandError):
    """Settings that cannot be used, each problem on a line of its own."""

    exit_code = 2

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems

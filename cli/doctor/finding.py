"""What a check is: a reader at the edge, a judge of what was read, and the findings that come of it."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from cli.cluster import Settings
from cli.errors import CommandError

F = TypeVar("F")


class Level(StrEnum):
    """`fail` keeps the cluster, or a part of it, from working; `warn` may, or soon will."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on what is, and where it is not well one on what to do next."""

    level: Level
    message: str
    advice: str = ""


def ok(message: str) -> list[Finding]:
    """All is well, in a sentence."""
    return [Finding(Level.OK, message)]


def warn(message: str, advice: str) -> Finding:
    """Something that may harm, or will."""
    return Finding(Level.WARN, message, advice)


def fail(message: str, advice: str) -> Finding:
    """Something that keeps a part of the cluster from working."""
    return Finding(Level.FAIL, message, advice)


@dataclass(frozen=True, slots=True)
class Check(Generic[F]):
    """`look` reads facts of this host, `judge` is a pure function of them and of the cluster's settings."""

    name: str
    look: Callable[[Settings], F]
    judge: Callable[[Settings, F], Sequence[Finding]]

    def run(self, settings: Settings) -> list[Finding]:
        """The findings, at least one. What could not be read is a finding too, and no reason to leave out the rest."""
        try:
            facts = self.look(settings)
        except PermissionError as error:
            return [warn(f"cannot be looked at: {error}", "call steersman doctor as root")]
        except (OSError, ValueError, LookupError, CommandError, subprocess.SubprocessError) as error:
            return [warn(f"cannot be looked at: {error or type(error).__name__}", "mend that, then look again")]
        return list(self.judge(settings, facts))

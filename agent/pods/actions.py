"""What can be done for a pod, and a plan of it: values that ``plan`` makes and ``Actor`` carries out."""

from dataclasses import dataclass
from datetime import datetime

from agent.runtime.records import ContainerRecord
from api.core import Container


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSandbox:
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    """Make and start. ``level``: the back-off level that the new run carries."""

    container: Container
    attempt: int
    level: int
    init: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """Pre-stop hook, then the stop signal; KILL at once when there is no grace. ``because``: the event's text."""

    record: ContainerRecord
    grace_s: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The stop signal that was held back until proxies had left the pod."""

    record: ContainerRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """KILL, at once; past Docker when ``by_pid``."""

    record: ContainerRecord
    by_pid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    record: ContainerRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """No container of the pod is left: remove its directories, then let it go from the API."""


Action = CreateSandbox | StartContainer | Terminate | Stop | Kill | Remove | Clean


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order, and when to look again at the latest (None: at the next change)."""

    actions: tuple[Action, ...] = ()
    wake_at: datetime | None = None

"""The board on which a supervisor writes who runs: `<run-dir>/status.json`, read by `status` and `down`."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from cli.processes import Identity
from client.files import write_atomically

FILE_NAME = "status.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One component as its supervisor sees it."""

    name: str
    process: Identity | None
    since: float  # seconds since the epoch, of its present state
    restarts: int = 0
    last_exit: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """A supervisor and its components."""

    supervisor: Identity
    entries: tuple[Entry, ...] = ()

    def write(self, run_dir: Path) -> None:
        """Raises OSError."""
        run_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(run_dir / FILE_NAME, msgspec.json.encode(self), durable=False)

    @property
    def processes(self) -> tuple[Identity, ...]:
        """All that were running when this was written, the supervisor first."""
        return (self.supervisor, *(one.process for one in self.entries if one.process is not None))


def read(run_dir: Path) -> Board | None:
    """What was written last, by a supervisor that may be gone; None when there is nothing."""
    try:
        return msgspec.json.decode((run_dir / FILE_NAME).read_bytes(), type=Board)
    except FileNotFoundError:
        return None

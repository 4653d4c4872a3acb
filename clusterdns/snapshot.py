"""The last known names on disk, so that a start while the master is away still answers.

The rule: the file is replaced whole or not at all; one that cannot be read is reported and ignored, since the
master has the truth.
"""

import logging
from pathlib import Path

import msgspec

from client.files import write_atomically
from clusterdns.records import ServiceNames

log = logging.getLogger(__name__)


def load_names(path: Path) -> list[ServiceNames] | None:
    """What was saved; None when there is no readable file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[ServiceNames])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.warning("saved names unreadable file=%s error=%s", path, error)
        return None


def save_names(path: Path, services: list[ServiceNames]) -> None:
    """OSError when the disk will not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.encode(services))

"""The last known names on disk, so that a start while the master is away still answers.

The rule: the file is replaced whole or not at all; one that cannot be read is reported and ignored, since the
master has the truth.
"""

import logging
import os
from pathlib import Path

import msgspec

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
    """Write all names beside the file, then put them in its place; OSError when the disk will not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(services))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

"""Reads a log of Docker's from its oldest file on, and what is added, across rotation.

Docker rotates by renaming: log becomes log.1, log.1 becomes log.2, the last one is removed. The rule: a file that was
opened is read to its end, and then the next newer one, however often the log was rotated meanwhile. Files are opened
from the newest to the oldest, for that is the way that they move: none is missed, and one met twice is known by its
inode. Lost is only what Docker removes before it was read.
"""

import logging
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from agent.runtime.logs import LogLine, parse_line

log = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024


class LogFollower:
    """Holds the files that are still to be read open. ``close`` it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending = b""
        self._files: deque[BinaryIO] = deque(_opened(path, None))

    def close(self) -> None:
        for file in self._files:
            file.close()

    def new_lines(self) -> Iterator[LogLine]:
        """Whole lines that have come since the last call; at the first call, all that there are."""
        if not self._files:
            self._files.extend(_opened(self._path, None))
        while self._files:
            yield from self._read()
            if len(self._files) == 1:
                self._files.extend(self._newer())
                if len(self._files) == 1:
                    return
                yield from self._read()  # what came before it was rotated
            self._files.popleft().close()
            self._pending = b""

    def _read(self) -> Iterator[LogLine]:
        while chunk := self._files[0].read(_CHUNK_BYTES):
            *whole, self._pending = (self._pending + chunk).split(b"\n")
            for raw in whole:
                if (line := parse_line(raw)) is not None:
                    yield line

    def _newer(self) -> list[BinaryIO]:
        """Files after the one that is being read, oldest first. None while Docker is about to make the next."""
        ours = _inode(self._files[0])
        try:
            if self._path.stat().st_ino == ours:
                return []
        except FileNotFoundError:
            return []
        return _opened(self._path, ours)


def _opened(path: Path, until: int | None) -> list[BinaryIO]:
    """The log's files that are newer than the one with an inode (all, without one), oldest first."""
    found: dict[int, BinaryIO] = {}
    for candidate in [path, *_numbered(path)]:
        try:
            file = candidate.open("rb")
        except FileNotFoundError:
            continue  # about to have another name
        inode = _inode(file)
        if inode == until or inode in found:
            file.close()
        else:
            found[inode] = file
        if inode == until:
            break
    else:
        if until is not None:
            log.warning("log was rotated away before it was read path=%s", path)
    return list(found.values())[::-1]


def _numbered(path: Path) -> list[Path]:
    """Names of rotated files, and the one that the next rotation may make; newest first."""
    suffixes = (file.suffix[1:] for file in path.parent.glob(f"{path.name}.*"))
    last = max((int(suffix) for suffix in suffixes if suffix.isdigit()), default=0)
    return [path.with_name(f"{path.name}.{number}") for number in range(1, last + 2)]


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino

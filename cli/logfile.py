"""The log file of a component in the background."""

import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

FILE_BYTES = 10 * 1024 * 1024
OLD_FILES = 2


class LogFile(RotatingFileHandler):
    """A file of at most FILE_BYTES and OLD_FILES older ones; standard output and error of the process follow it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8")
        self._take_standard_streams()

    def doRollover(self) -> None:  # noqa: N802 (the name of the standard library)
        super().doRollover()
        self._take_standard_streams()

    def _take_standard_streams(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        if self.stream is not None:
            os.dup2(self.stream.fileno(), 1)
            os.dup2(self.stream.fileno(), 2)

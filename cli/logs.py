"""Where log lines go: one line an event, `time level logger: event key=value`.

Under systemd a line goes to the journal with its fields (`journal.py`), or, where the journal has no socket for us, to
standard error with its priority in front, since the journal has the time. In the background a component writes to a
file of bounded size, and its standard error follows that file, so that what the interpreter itself says (a crash, a
stack dump) stands among the log lines.
"""

import logging
import os
import sys
import time
from pathlib import Path

from cli import journal
from cli.journal import PRIORITY

LEVELS = ("debug", "info", "warning", "error")


class Line(logging.Formatter):
    """`2026-01-02T03:04:05.678Z info agent.pods: pod started pod=default/web`"""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.levelname.lower()} {record.name}: {super().format(record)}"
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{moment}.{int(record.msecs):03d}Z {text}"


class JournalLine(logging.Formatter):
    """`<6>agent.pods: pod started pod=default/web`: the priority as sd-daemon(3) has it, on every line."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{PRIORITY.get(record.levelno, 6)}>"
        return prefix + f"{record.name}: {super().format(record)}".replace("\n", f"\n{prefix}")


def start(level: str, *, file: Path | None = None) -> None:
    """Send all logging to `file`, or to standard error. Replaces what was set before: a forked child calls it anew."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line())
    if file is not None:
        from cli.logfile import LogFile  # brings pickle along, a MiB that no one needs who logs to the journal

        file.parent.mkdir(parents=True, exist_ok=True)
        handler = LogFile(file)
        handler.setFormatter(Line())
    elif journal.is_ours(sys.stderr):
        handler = journal.JournalHandler()
    elif "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(JournalLine())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    set_level(level)


def set_level(level: str) -> None:
    """What is logged from now on."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    # One line a request is the servers' own business; the libraries below would add theirs at info.
    for noisy in ("urllib3", "docker", "pyroute2"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))

"""Log lines as entries of systemd's journal, with fields to search by (systemd.journal-fields(7)).

A line `pod started pod=default/web node=n1` becomes MESSAGE, PRIORITY, LOGGER and THREAD, and POD and NODE from its own
words, so `journalctl POD=default/web` and `journalctl -o json` find what is meant without reading text. The protocol is
that of the journal's native socket: one datagram of `NAME=value` lines, values with line breaks by length. An entry
that is too large for a datagram loses the end of its message.
"""

import errno
import logging
import os
import re
import socket
import struct
from pathlib import Path
from typing import TextIO

SOCKET = Path("/run/systemd/journal/socket")
PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
SHORT_BYTES = 32 * 1024  # of a message that did not fit: below the least send buffer of a host
PAIR = re.compile(r"(?:^|\s)([a-z][a-z0-9_]{0,31})=(\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|\S+)")
# Names that the journal or this handler gives a meaning of its own; a word of ours must not pass for them.
TAKEN = frozenset({"MESSAGE", "PRIORITY", "LOGGER", "THREAD", "ERRNO", "SYSLOG_IDENTIFIER", "UNIT", "MESSAGE_ID"})


def is_ours(stream: TextIO) -> bool:
    """Does this stream lead to the journal, and is there a socket to speak to it with fields?

    All children inherit JOURNAL_STREAM; only one whose stream is still that very one is meant (systemd.exec(5)).
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}" and SOCKET.is_socket()


def fields_of(record: logging.LogRecord, text: str) -> dict[str, str]:
    """The fields of one entry; `text` is the message with its traceback."""
    found = {
        "MESSAGE": text,
        "PRIORITY": str(PRIORITY.get(record.levelno, 6)),
        "LOGGER": record.name,
        "THREAD": record.threadName or "",
    }
    for name, value in PAIR.findall(text.partition("\n")[0]):
        if name.upper() not in TAKEN:
            found[name.upper()] = value.strip("\"'")
    return found


def packed(fields: dict[str, str]) -> bytes:
    """The datagram of an entry."""
    return b"".join(_field(name.encode("ascii"), value.encode("utf-8", "replace")) for name, value in fields.items())


def _field(name: bytes, value: bytes) -> bytes:
    if b"\n" in value:
        return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name + b"=" + value + b"\n"


class JournalHandler(logging.Handler):
    """Sends each record as one datagram; never waits for the journal longer than its socket's buffer lasts."""

    def __init__(self, address: Path = SOCKET) -> None:
        super().__init__()
        self._address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(1.0)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = fields_of(record, self.format(record))
            try:
                self._socket.sendto(packed(fields), self._address)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                self._socket.sendto(packed({**fields, "MESSAGE": fields["MESSAGE"][:SHORT_BYTES]}), self._address)
        except Exception:  # noqa: BLE001 (the contract of logging: a log line must not end the program)
            self.handleError(record)

    def close(self) -> None:
        self._socket.close()
        super().close()

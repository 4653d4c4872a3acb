"""With the journal behind standard error a log line is an entry with fields; elsewhere it is text."""

import io
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import journal


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[socket.socket]:
    """The journal's end of its socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "socket"))
        channel.settimeout(60)
        yield channel


@pytest.fixture
def log(entries: socket.socket) -> Iterator[logging.Logger]:
    handler = journal.JournalHandler(Path(entries.getsockname()))
    logger = logging.getLogger("agent.pods.fake")
    logger.propagate = False
    logger.setLevel("DEBUG")
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def test_words_of_the_line_become_fields(entries: socket.socket, log: logging.Logger) -> None:
    log.warning("pod started pod=%s why=%r ran_s=%.1f", "default/web", "exit code 3", 1.5)
    lines = entries.recv(4096).decode().splitlines()
    assert "MESSAGE=pod started pod=default/web why='exit code 3' ran_s=1.5" in lines
    assert {"PRIORITY=4", "LOGGER=agent.pods.fake", "POD=default/web", "WHY=exit code 3", "RAN_S=1.5"} <= set(lines)


def test_a_word_cannot_pass_for_a_field_of_the_journal(entries: socket.socket, log: logging.Logger) -> None:
    log.info("odd message=forged priority=0 _pid=1 syslog_identifier=sshd")
    lines = entries.recv(4096).decode().splitlines()
    assert [one for one in lines if one.startswith(("PRIORITY", "_PID", "PID", "SYSLOG"))] == ["PRIORITY=6"]
    assert "MESSAGE=odd message=forged priority=0 _pid=1 syslog_identifier=sshd" in lines


def test_a_traceback_is_one_entry(entries: socket.socket, log: logging.Logger) -> None:
    try:
        raise RuntimeError("it\nbroke error=x")
    except RuntimeError:
        log.exception("component failed component=x")
    entry = entries.recv(65536)
    name, _, rest = entry.partition(b"\n")
    assert name == b"MESSAGE"
    (length,) = struct.unpack("<Q", rest[:8])
    message = rest[8 : 8 + length].decode()
    assert message.startswith("component failed component=x\nTraceback")
    assert message.endswith("RuntimeError: it\nbroke error=x")
    assert b"ERROR=x" not in rest[8 + length :]


def test_a_message_too_large_for_a_datagram_loses_its_end(entries: socket.socket, log: logging.Logger) -> None:
    log.error("large pod=%s %s", "default/web", "x" * 8_000_000)
    lines = entries.recv(1_000_000).decode().splitlines()
    assert "POD=default/web" in lines
    assert len(lines[0]) == len("MESSAGE=") + journal.SHORT_BYTES


def test_a_stream_that_was_led_elsewhere_is_not_the_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "socket"))
        monkeypatch.setattr(journal, "SOCKET", tmp_path / "socket")
        with (tmp_path / "stream").open("w") as stream, (tmp_path / "other").open("w") as other:
            status = os.fstat(stream.fileno())
            monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
            assert journal.is_ours(stream)
            assert not journal.is_ours(other)
            assert not journal.is_ours(io.StringIO())

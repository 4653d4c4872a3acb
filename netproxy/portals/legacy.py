"""The legacy nat table, written with python-iptables: for hosts whose iptables is not nf_tables (CentOS 7).

It understands the part of iptables-restore's language that `edits` speaks. A transaction is one commit of libiptc under
the lock that all legacy iptables programs take.
"""

from __future__ import annotations

import contextlib
import fcntl
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import iptc

from netproxy.portals.commands import LOCK_WAIT_S, PortalError, run

LOCK = Path("/run/xtables.lock")
_LOCK_CHECK_S = 0.05


class LegacyTable:
    """The legacy nat table of the namespace this thread is in. `save_command`: what prints it."""

    def __init__(self, save_command: str) -> None:
        self._save_command = save_command

    def save(self) -> str:
        """The table."""
        return run(self._save_command, "-t", "nat")

    def restore(self, text: str) -> None:
        """All lines, and one commit."""
        with _locked():
            try:
                table = iptc.Table(iptc.Table.NAT, autocommit=False)
                table.refresh()
                edit = _Edit(table)
                for line in text.splitlines():
                    edit.line(line)
                table.commit()
            except (iptc.IPTCError, ValueError) as error:
                raise PortalError(f"legacy iptables: {error}") from error


class _Edit:
    """The changes of one transaction."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._before: dict[str, list[Any]] = {}

    def line(self, line: str) -> None:
        """Do what one line says."""
        words = shlex.split(line)
        if line.startswith(":"):
            self._empty_chain(words[0][1:])
        elif words[0] == "-A":
            iptc.Chain(self._table, words[1]).append_rule(rule(words[2:]))
        elif words[0] == "-I":
            iptc.Chain(self._table, words[1]).insert_rule(rule(words[3:]), int(words[2]) - 1)
        elif words[0] == "-D":
            self._delete(words[1], words[2:])
        elif words[0] == "-X":
            self._table.delete_chain(words[1])
        elif words[0] not in ("*nat", "COMMIT"):
            raise ValueError(f"not understood: {line}")

    def _empty_chain(self, name: str) -> None:
        if self._table.is_chain(name):
            iptc.Chain(self._table, name).flush()
        else:
            self._table.create_chain(name)

    def _delete(self, chain: str, which: list[str]) -> None:
        """By number, as they were before this transaction (they come from the end on), or by content."""
        if which[0].isdigit():
            rules = self._before.get(chain)
            if rules is None:
                rules = self._before[chain] = list(iptc.Chain(self._table, chain).rules)
            iptc.Chain(self._table, chain).delete_rule(rules[int(which[0]) - 1])
        else:
            iptc.Chain(self._table, chain).delete_rule(rule(which))


def rule(words: list[str]) -> Any:
    """A rule from the words of iptables-save, as far as ours use them."""
    made = iptc.Rule()
    part: Any = None
    rest = iter(words)
    for option in rest:
        value = next(rest)
        if option == "-s":
            made.src = value
        elif option == "-d":
            made.dst = value
        elif option == "-p":
            made.protocol = value
        elif option == "-m":
            part = made.create_match(value)
        elif option == "-j":
            part = made.create_target(value)
        elif part is not None and option == "--match-set":
            part.match_set = [value, next(rest)]
        elif part is not None and option.startswith("--"):
            setattr(part, option[2:].replace("-", "_"), value)
        else:
            raise ValueError(f"option {option} is not understood")
    return made


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """The lock of xtables, as `iptables -w` takes it."""
    end = time.monotonic() + LOCK_WAIT_S
    with LOCK.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise PortalError(f"another program has held {LOCK} for {LOCK_WAIT_S} s") from None
                time.sleep(_LOCK_CHECK_S)
        yield

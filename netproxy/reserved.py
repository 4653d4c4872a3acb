"""The range of node ports, reserved: the kernel gives none of them to a client of this host as its own port.

A node port that is free today could otherwise be the source port of somebody's connection when a service asks for it.
What was added is written down before it is done, so that after a kill too `restore` takes out that and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from client.files import write_atomically

log = logging.getLogger(__name__)

SYSCTL = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
"""Of the network namespace of whoever opens it."""


class ReservedPorts:
    """Our part of the sysctl. `note`: the file that says which part is ours."""

    def __init__(self, note: Path) -> None:
        self._note = note

    def reserve(self, wanted: str) -> None:
        """Reserve "first-last", "" for nothing; what an earlier start reserved and is not wanted any more goes.
        Raises OSError.
        """
        present, ours = parse(SYSCTL.read_text(encoding="ascii")), self._ours()
        others = present - ours
        mine = parse(wanted) - others
        if present == others | mine and mine == ours:
            return
        self._note.parent.mkdir(parents=True, exist_ok=True)
        # Both the old and the new part are noted until the kernel has the new one.
        self._write_note(ours | mine)
        _write(others | mine)
        self._write_note(mine)
        log.info("node ports reserved ports=%s", form(mine))

    def restore(self) -> bool:
        """Take our part out; False when there was none. Raises OSError."""
        if not self._note.exists():
            return False
        ours = self._ours()
        present = parse(SYSCTL.read_text(encoding="ascii"))
        _write(present - ours)
        self._note.unlink()
        return bool(present & ours)

    def noted(self) -> bool:
        """Whether a part may be ours."""
        return self._note.exists()

    def _ours(self) -> set[int]:
        try:
            return parse(self._note.read_text(encoding="ascii"))
        except FileNotFoundError:
            return set()
        except ValueError as error:
            log.warning("note of reserved ports not usable file=%s error=%s", self._note, error)
            return set()

    def _write_note(self, ports: Iterable[int]) -> None:
        write_atomically(self._note, f"{form(ports)}\n".encode("ascii"), durable=False)


def parse(text: str) -> set[int]:
    """The ports of "80,90-92"."""
    found: set[int] = set()
    for part in text.strip().split(",") if text.strip() else ():
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def form(ports: Iterable[int]) -> str:
    """Ports as the kernel writes them."""
    parts: list[list[int]] = []
    for port in sorted(ports):
        if parts and parts[-1][1] == port - 1:
            parts[-1][1] = port
        else:
            parts.append([port, port])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _write(ports: Iterable[int]) -> None:
    # An empty write is no write at all: a line end clears the list.
    SYSCTL.write_text(form(ports) + "\n", encoding="ascii")

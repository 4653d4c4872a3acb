"""Messages that were asked for lately, whole but for their id: what nearly every question is answered from.

The rule: none is older than the zone. Each is known by the name that it answers, and goes when that name changes.
"""

import threading
from collections.abc import Iterable

MAX_READY = 16384
_SLOTS = 4096
_NAME_AT = 10  # in a question without its id


class Ready:
    """The table; read without a lock, filled by the answering thread, cleared by those that change the zone."""

    def __init__(self) -> None:
        self.messages: dict[bytes, bytes] = {}
        """As `Batch.answer` takes them; always this one dictionary."""
        self.version = 0
        self._slots: list[tuple[bytes, ...]] = [()] * _SLOTS
        """The keys of `messages` by the hash of the name asked for: clients differ in case, flags and EDNS, and a table
        of the names themselves would take five times the memory."""
        self._lock = threading.Lock()

    def remember(self, version: int, name: bytes, question: bytes, message: bytes) -> None:
        """Keep a message; `version` is the table's before the zone was asked. After a change since then it is not kept:
        it may be the old answer."""
        with self._lock:
            if version != self.version:
                return
            if len(self.messages) >= MAX_READY:
                self._clear()
            self.messages[question] = message
            self._slots[hash(name) % _SLOTS] += (question,)

    def forget(self, names: Iterable[bytes]) -> None:
        """These names have changed, and the zone tells the new answers already."""
        with self._lock:
            self.version += 1
            for name in names:
                self._forget(name)

    def forget_all(self) -> None:
        """Any name may have changed."""
        with self._lock:
            self.version += 1
            self._clear()

    def _forget(self, name: bytes) -> None:
        slot, end = hash(name) % _SLOTS, _NAME_AT + len(name)
        others = []
        for question in self._slots[slot]:
            if question[_NAME_AT:end].lower() == name:
                self.messages.pop(question, None)
            else:
                others.append(question)
        self._slots[slot] = tuple(others)

    def _clear(self) -> None:
        self.messages.clear()
        self._slots = [()] * _SLOTS

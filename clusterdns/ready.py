"""Messages that were asked for lately, whole but for their id: what nearly every question is answered from.

The rule: none is older than the zone. Each is known by the name that it answers, and goes when that name changes.
"""

import threading
from collections.abc import Iterable

MAX_READY = 16384


class Ready:
    """The table; read without a lock, filled by the answering thread, cleared by those that change the zone."""

    def __init__(self) -> None:
        self.messages: dict[bytes, bytes] = {}
        """As `Batch.answer` takes them; always this one dictionary."""
        self.version = 0
        self._questions: dict[bytes, tuple[bytes, ...]] = {}
        """The keys of `messages` by the name asked for: clients differ in case, flags and EDNS."""
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
            self._questions[name] = (*self._questions.get(name, ()), question)

    def forget(self, names: Iterable[bytes]) -> None:
        """These names have changed, and the zone tells the new answers already."""
        with self._lock:
            self.version += 1
            for name in names:
                for question in self._questions.pop(name, ()):
                    self.messages.pop(question, None)

    def forget_all(self) -> None:
        """Any name may have changed."""
        with self._lock:
            self.version += 1
            self._clear()

    def _clear(self) -> None:
        self.messages.clear()
        self._questions.clear()

"""A bounded log of names, read from where one left off."""

_KEPT = 20_000


class Log:
    """What was added last, with a position that only grows."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._dropped = 0

    @property
    def end(self) -> int:
        return self._dropped + len(self._names)

    def add(self, name: str) -> None:
        self._names.append(name)
        if len(self._names) > 2 * _KEPT:
            del self._names[:_KEPT]
            self._dropped += _KEPT

    def since(self, position: int) -> list[str] | None:
        """What was added since; None when that is no longer known."""
        if position < self._dropped:
            return None
        return self._names[position - self._dropped :]

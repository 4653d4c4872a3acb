"""What a write takes before it is made, as numbers of a service or room of a quota, and how it gets free again.

The rule: what is taken is given back when the write was certainly not made. When nobody knows, it stays taken, and each
giver says what is done about it later.
"""

from collections.abc import Awaitable, Callable

from api.errors import ApiError, Timeout


class Reservation:
    """What one write took; to be given back when the write fails."""

    def __init__(self) -> None:
        self._undo: list[tuple[Callable[[], None], bool]] = []
        self._later: list[Callable[[], None]] = []
        self.confirm: Callable[[], Awaitable[None]] | None = None
        """Asks the other masters for what was taken, where there are any."""

    async def confirmed(self) -> None:
        """To be called when all was taken, if there is ``confirm``. Whatever fails, all is given back."""
        try:
            if self.confirm is not None:
                await self.confirm()
        except BaseException:
            self.give_back()
            raise

    def on_failure(self, undo: Callable[[], None], *, settled: bool = False) -> None:
        """``settled``: not to be undone while the write may still be made, as after a timeout."""
        self._undo.append((undo, settled))

    def in_doubt(self, later: Callable[[], None]) -> None:
        """What is to be done when it stays unknown whether the write was made."""
        self._later.append(later)

    def join(self, other: "Reservation") -> None:
        """Take over what another one took."""
        self._undo += other._undo
        self._later += other._later
        other._undo, other._later = [], []

    def give_back(self, *, settled: bool = True) -> None:
        """``settled`` False: it is not known whether the write was made."""
        later, self._later = self._later, []
        for step in () if settled else later:
            step()
        while self._undo:
            undo, wants_settled = self._undo.pop()
            if settled or not wants_settled:
                undo()


def is_settled(error: BaseException) -> bool:
    """Whether a write that ended with this error was certainly not made."""
    return isinstance(error, ApiError) and not isinstance(error, Timeout)

"""Gives out what must be unique in the cluster: cluster addresses and node ports.

The rule: a number is taken before the write that uses it starts, so that two writes under way never get the same; it is
given back when the write fails, and when the cache tells that its owner let it go. Owners are UIDs, so a service that
replaces one of the same name is another owner. All is rebuilt from the cache at the start. What was taken by a write of
which nobody knows whether it was made is given back later, if the cache has not shown it by then.
"""

import ipaddress
import random
from collections.abc import Callable, Iterable

_TRIES = 32


class RangeFull(Exception):
    """Nothing is left to give out."""


class NumberTaken(Exception):
    """Another owner has the number."""


class OutOfRange(Exception):
    """The number is not one that is given out here."""


class Numbers:
    """Numbers from first to last, both included, each with at most one owner."""

    def __init__(self, first: int, last: int, *, reserved: Iterable[int] = ()) -> None:
        self.first, self.last = first, last
        self._reserved = frozenset(reserved)
        self._owners: dict[int, str] = {}
        # Taken by a write that the cache has not shown yet: each taking is an object of its own.
        self._unseen: dict[int, object] = {}

    def owner(self, number: int) -> str | None:
        return self._owners.get(number)

    def take(self, number: int, owner: str) -> None:
        """Raises OutOfRange, NumberTaken."""
        if not self.first <= number <= self.last:
            raise OutOfRange(number)
        if number not in self._owners:
            self._take(number, owner)
        elif self._owners[number] != owner:
            raise NumberTaken(number)

    def _take(self, number: int, owner: str) -> None:
        self._owners[number] = owner
        self._unseen[number] = object()

    def hold(self, number: int, owner: str) -> None:
        """Note what a stored object has, whatever was thought before."""
        self._owners[number] = owner
        self._unseen.pop(number, None)

    def take_any(self, owner: str) -> int:
        """A free number, at random so that a number just given back is not met again at once. Raises RangeFull."""
        for _ in range(_TRIES):
            number = random.randint(self.first, self.last)
            if self._is_free(number):
                break
        else:
            number = next((n for n in range(self.first, self.last + 1) if self._is_free(n)), -1)
        if number < 0:
            raise RangeFull
        self._take(number, owner)
        return number

    def _is_free(self, number: int) -> bool:
        return number not in self._owners and number not in self._reserved

    def give_back(self, number: int, owner: str) -> None:
        """No-op when somebody else has it by now."""
        if self._owners.get(number) == owner:
            del self._owners[number]
            self._unseen.pop(number, None)

    def doubt(self, number: int, owner: str) -> Callable[[], bool]:
        """What gives back a number that was taken, unless it was held or given back since; it says whether it did."""
        taking = self._unseen.get(number)

        def give_back() -> bool:
            if taking is None or self._unseen.get(number) is not taking:
                return False
            self.give_back(number, owner)
            return True

        return give_back


class Addresses:
    """IPv4 addresses of a range; the first host is reserved for the service ``kubernetes``."""

    def __init__(self, cidr: str) -> None:
        network = ipaddress.IPv4Network(cidr)
        first = int(network.network_address) + 1
        last = int(network.broadcast_address) - 1
        self.cidr = cidr
        self.first = str(ipaddress.IPv4Address(first))
        self._numbers = Numbers(first, last, reserved=(first,))

    def take(self, address: str, owner: str) -> None:
        """Raises OutOfRange, NumberTaken."""
        try:
            number = int(ipaddress.IPv4Address(address))
        except ValueError as error:
            raise OutOfRange(address) from error
        self._numbers.take(number, owner)

    def hold(self, address: str, owner: str) -> None:
        self._numbers.hold(int(ipaddress.IPv4Address(address)), owner)

    def take_any(self, owner: str) -> str:
        """Raises RangeFull."""
        return str(ipaddress.IPv4Address(self._numbers.take_any(owner)))

    def give_back(self, address: str, owner: str) -> None:
        self._numbers.give_back(int(ipaddress.IPv4Address(address)), owner)

    def doubt(self, address: str, owner: str) -> Callable[[], bool]:
        return self._numbers.doubt(int(ipaddress.IPv4Address(address)), owner)

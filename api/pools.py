"""A pool of addresses, as ranges and single ones: pure."""

import ipaddress
from collections.abc import Collection, Iterator, Sequence

_MOST = 65536


class Pool:
    """``ranges``: ``192.0.2.0/28``, ``192.0.2.40-192.0.2.60``, ``192.0.2.7``. Raises ValueError for what is none."""

    def __init__(self, ranges: Sequence[str]) -> None:
        self._spans = [_span(text.strip()) for text in ranges]

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __contains__(self, address: str) -> bool:
        number = int(ipaddress.IPv4Address(address))
        return any(first <= number <= last for first, last in self._spans)

    def free(self, taken: Collection[str]) -> str | None:
        """The first address that is not taken."""
        return next((address for address in self._addresses() if address not in taken), None)

    def _addresses(self) -> Iterator[str]:
        for first, last in self._spans:
            for number in range(first, last + 1):
                yield str(ipaddress.IPv4Address(number))


def _span(text: str) -> tuple[int, int]:
    """First and last address. Of a network the outermost two are not for hosts, unless it has no others."""
    if "/" in text:
        network = ipaddress.IPv4Network(text)
        first, last = int(network.network_address), int(network.broadcast_address)
        if network.prefixlen < 31:
            first, last = first + 1, last - 1
    else:
        start, _, end = text.partition("-")
        first = int(ipaddress.IPv4Address(start.strip()))
        last = int(ipaddress.IPv4Address(end.strip())) if end else first
    if not first <= last < first + _MOST:
        raise ValueError(f"{text}: must be from 1 to {_MOST} addresses, first to last")
    return first, last


def is_for_hosts(text: str) -> bool:
    """Whether a service may ask for this address at all: not one with a meaning of its own on every machine."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    return not special and text != "255.255.255.255"

"""The edge to the kernel: addresses of load balancers on this host's interfaces, known by their label.

They are there for a few seconds only, unless they are renewed: the kernel takes away what a program left that was
killed. pyroute2 is imported at the first use: it costs 10 MiB, and most nodes announce nothing.
"""

import errno
import ipaddress
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

MAX_LABEL = 15  # IFNAMSIZ, the closing zero included, is 16
_ETHERNET = 1  # ARPHRD_ETHER
_UP = 0x1  # IFF_UP
_GONE = (errno.EADDRNOTAVAIL, errno.ENODEV)


class Addresses:
    """Those of one cluster on this host. Raises pyroute2's NetlinkError and OSError."""

    def __init__(self, chain_prefix: str) -> None:
        self.label = f"{chain_prefix.lower()}-lb"[:MAX_LABEL]

    def present(self) -> dict[str, str]:
        """Address to device."""
        with _netlink() as ip:
            return {address: _name(index) for address, index in self._ours(ip)}

    def devices(self, addresses: Collection[str]) -> dict[str, str]:
        """Address to the device on whose network it lies. A host that is on another network cannot answer for it."""
        with _netlink() as ip:
            links = {one["index"] for one in ip.get_links() if one["ifi_type"] == _ETHERNET and one["flags"] & _UP}
            networks = [(network, index) for network, index in _networks(ip, self.label) if index in links]
            found = {}
            for address in addresses:
                index = next((at for network, at in networks if ipaddress.ip_address(address) in network), None)
                if index is not None:
                    found[address] = _name(index)
            return found

    def keep(self, address: str, device: str, *, for_s: int) -> None:
        """Put it there, or let it stay for longer."""
        with _netlink() as ip:
            ip.addr(
                "replace", index=socket.if_nametoindex(device), address=address, prefixlen=32, label=self.label,
                valid_lft=for_s, preferred_lft=for_s,
            )  # fmt: skip

    def remove(self, but: Collection[str] = ()) -> list[str]:
        """Take all away but these; says which."""
        from pyroute2 import NetlinkError

        removed = []
        with _netlink() as ip:
            for address, index in self._ours(ip):
                if address in but:
                    continue
                try:
                    ip.addr("del", index=index, address=address, prefixlen=32, label=self.label)
                    removed.append(address)
                except NetlinkError as error:
                    if error.code not in _GONE:
                        raise
        return removed

    def _ours(self, ip: Any) -> list[tuple[str, int]]:
        found = ip.get_addr(family=socket.AF_INET)
        return [(one.get_attr("IFA_LOCAL"), one["index"]) for one in found if one.get_attr("IFA_LABEL") == self.label]


@contextmanager
def _netlink() -> Iterator[Any]:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        yield ip


def _networks(ip: Any, label: str) -> list[tuple[ipaddress.IPv4Network, int]]:
    """The networks that this host is on, the narrowest first."""
    found = [
        (ipaddress.IPv4Network(f"{one.get_attr('IFA_ADDRESS')}/{one['prefixlen']}", strict=False), one["index"])
        for one in ip.get_addr(family=socket.AF_INET)
        if one["prefixlen"] < 32 and one.get_attr("IFA_LABEL") != label
    ]
    return sorted(found, key=lambda each: -each[0].prefixlen)


def _name(index: int) -> str:
    return socket.if_indextoname(index)

"""The address on which a node answers: on a dummy interface of our own, on lo where the kernel has no dummy.

The rule: what is there is adopted, and only what is ours is removed. Ours is a dummy interface with the
configured name, or an address on lo whose label is `lo:` and that name. An address that someone else put on
another interface is used as it is. A normal stop leaves all in place, so that a restart is short.
"""

import errno
import ipaddress
import logging
import socket
from typing import Any

from pyroute2 import IPRoute, NetlinkError

log = logging.getLogger(__name__)

IFNAME_MAX = 15
LOOPBACK = "lo"


class LinkError(Exception):
    """The address cannot be put in place."""


def ensure_address(interface: str, address: str) -> str:
    """Put the address in place if it is not; says in a sentence what was done."""
    with IPRoute() as netlink:
        try:
            holder = _holder(netlink, address)
            if holder is not None and holder != interface:
                return f"address {address} is on {holder}"
            if not _ensure_dummy(netlink, interface):
                if _family(address) == socket.AF_INET6:
                    raise LinkError(
                        f"no dummy interfaces here, and {address} on {LOOPBACK} could not be marked as ours"
                    )
                _add_address(netlink, LOOPBACK, address, label=_label(interface))
                return f"address {address} added to {LOOPBACK}, the kernel has no dummy interfaces"
            if holder is None:
                _add_address(netlink, interface, address)
            return f"address {address} {'is' if holder else 'added'} on {interface}"
        except NetlinkError as error:
            raise LinkError(f"address {address} on {interface}: {error}") from error


def remove_address(interface: str, address: str) -> str:
    """Remove our interface or our address on lo; says in a sentence what was done."""
    with IPRoute() as netlink:
        try:
            index = _index(netlink, interface)
            if index is not None and _is_dummy(netlink, index):
                netlink.link("del", index=index)
                return f"interface {interface} removed"
            if _remove_from_loopback(netlink, interface, address):
                return f"address {address} removed from {LOOPBACK}"
        except NetlinkError as error:
            raise LinkError(f"remove {interface}: {error}") from error
    return f"interface {interface} is not there"


def _ensure_dummy(netlink: IPRoute, interface: str) -> bool:
    """Our interface, up; False when the kernel has no dummy interfaces."""
    index = _index(netlink, interface)
    if index is None:
        try:
            netlink.link("add", ifname=interface, kind="dummy")
        except NetlinkError as error:
            if error.code == errno.EOPNOTSUPP:
                return False
            if error.code != errno.EEXIST:
                raise
        index = _index(netlink, interface)
    if index is None or not _is_dummy(netlink, index):
        raise LinkError(f"interface {interface} is not a dummy interface, so it is not ours")
    netlink.link("set", index=index, state="up")
    return True


def _holder(netlink: IPRoute, address: str) -> str | None:
    """The interface that carries the address."""
    wanted = ipaddress.ip_address(address)
    for each in netlink.get_addr(family=_family(address)):
        local = each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS")
        if local and ipaddress.ip_address(local) == wanted:
            (link,) = netlink.get_links(each["index"])
            return str(link.get_attr("IFLA_IFNAME"))
    return None


def _add_address(netlink: IPRoute, interface: str, address: str, **more: str) -> None:
    try:
        prefix = ipaddress.ip_address(address).max_prefixlen
        index = _index(netlink, interface)
        netlink.addr("add", index=index, address=address, prefixlen=prefix, **more)
    except NetlinkError as error:
        if error.code != errno.EEXIST:  # another start was quicker
            raise


def _remove_from_loopback(netlink: IPRoute, interface: str, address: str) -> bool:
    wanted: dict[str, Any] = {"label": _label(interface), "family": _family(address)}
    for each in netlink.get_addr(**wanted):
        if each.get_attr("IFA_LOCAL") == address:
            netlink.addr("del", index=each["index"], address=address, prefixlen=each["prefixlen"])
            return True
    return False


def _label(interface: str) -> str:
    return f"{LOOPBACK}:{interface}"[:IFNAME_MAX]


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _index(netlink: IPRoute, interface: str) -> int | None:
    found = netlink.link_lookup(ifname=interface)
    return int(found[0]) if found else None


def _is_dummy(netlink: IPRoute, index: int) -> bool:
    (link,) = netlink.get_links(index)
    info = link.get_attr("IFLA_LINKINFO")
    return info is not None and info.get_attr("IFLA_INFO_KIND") == "dummy"

"""The edge to the kernel's routing: what there is of ours, and changes to it. Imported only where there are other nodes
or something of ours to remove: pyroute2 costs 10 MiB.

Nothing is decided here. Every change may be made twice; what is gone already is no error.
"""

import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from pyroute2 import IPRoute, NetlinkError

from agent.network.marks import ROUTE_PROTOCOL
from agent.network.wanted import Route, Tunnel, TunnelEnd, Way

log = logging.getLogger(__name__)

_ONLINK = 4  # RTNH_F_ONLINK: the gateway is reached over the device although no address of ours is in its network
_PERMANENT = 0x80  # NUD_PERMANENT
_SELF = 2  # NTF_SELF: the device's own table
_UP = 1  # IFF_UP
_MAIN_TABLE = 254
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)
_GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV)


class Kernel:
    """A netlink socket; use it as a context. ``metric`` marks the routes of our cluster."""

    def __init__(self, metric: int) -> None:
        self._metric = metric
        self._ip: Any = IPRoute()

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ip.close()

    # Looking.

    def way_to(self, address: str) -> Way | None:
        """How an address is reached; None when it is not, or is this host's own."""
        try:
            (found, *_) = self._ip.route("get", dst=address)
        except NetlinkError as error:
            if error.code in _NO_WAY:
                return None
            raise
        index = found.get("oif")
        if index is None or found["type"] != 1:  # RTN_UNICAST
            return None
        (link, *_) = self._ip.get_links(index)
        return Way(link.get("ifname"), link.get("mtu"), found.get("gateway") or "")

    def routes(self) -> set[Route]:
        """Our cluster's, as they are."""
        names: dict[int, str] = {}
        return {self._route(row, names) for row in self._rows()}

    def _rows(self) -> Iterator[Any]:
        for row in self._ip.get_routes(family=socket.AF_INET, proto=ROUTE_PROTOCOL, table=_MAIN_TABLE):
            if row["proto"] == ROUTE_PROTOCOL and row.get("priority") == self._metric:
                yield row

    def _route(self, row: Any, names: dict[int, str]) -> Route:
        index = row.get("oif") or 0
        if index not in names:
            names[index] = self._name_of(index)
        cidr = f"{row.get('dst')}/{row['dst_len']}"
        return Route(cidr, row.get("gateway") or "", names[index], row.get("prefsrc") or "")

    def _name_of(self, index: int) -> str:
        try:
            return socket.if_indextoname(index)
        except OSError:
            return ""

    def tunnel(self, device: str) -> Tunnel | None:
        """The device as it is; one that is down has MTU 0. None when there is none."""
        link = self._link(device)
        if link is None:
            return None
        about = link.get("linkinfo")
        data = about.get("data") if about is not None and about.get("kind") == "vxlan" else None
        if data is None:
            return Tunnel(device, 0, 0, "", "", 0)
        mtu = link.get("mtu") if link["flags"] & _UP else 0
        return Tunnel(
            device,
            data.get("vxlan_id"),
            data.get("vxlan_port"),
            data.get("vxlan_local") or "",
            link.get("address"),
            mtu,
        )

    def ends(self, device: str) -> set[TunnelEnd]:
        """The other ends that are whole: with both their entries."""
        neighbours = self._neighbours(device)
        hosts = dict(self._hosts(device))
        return {TunnelEnd(inner, mac, hosts[mac]) for inner, mac in neighbours if mac in hosts}

    def _neighbours(self, device: str) -> list[tuple[str, str]]:
        rows = self._ip.get_neighbours(ifindex=self._index(device), family=socket.AF_INET)
        return [(r.get("dst"), r.get("lladdr")) for r in rows if r["state"] & _PERMANENT]

    def _hosts(self, device: str) -> list[tuple[str, str]]:
        rows = self._ip.fdb("dump", ifindex=self._index(device))
        return [(r.get("lladdr"), r.get("dst")) for r in rows if r.get("dst")]

    def _link(self, device: str) -> Any:
        try:
            index = socket.if_nametoindex(device)
        except OSError:
            return None
        return next(iter(self._ip.get_links(index)), None)

    def _index(self, device: str) -> int:
        return socket.if_nametoindex(device)

    # Changing.

    def put_route(self, route: Route, *, through_tunnel: bool) -> None:
        more: dict[str, Any] = {"flags": _ONLINK} if through_tunnel else {}
        if route.source:
            more["prefsrc"] = route.source
        self._ip.route(
            "replace", dst=route.cidr, gateway=route.gateway, oif=self._index(route.device), proto=ROUTE_PROTOCOL,
            priority=self._metric, table=_MAIN_TABLE, **more,
        )  # fmt: skip

    def remove_route(self, route: Route) -> None:
        with _gone_is_fine():
            self._ip.route(
                "del", dst=route.cidr, proto=ROUTE_PROTOCOL, priority=self._metric, table=_MAIN_TABLE
            )  # fmt: skip

    def put_tunnel(self, tunnel: Tunnel) -> None:
        """Makes the device, anew if one of that name is another; raises NetlinkError when the kernel cannot."""
        found = self.tunnel(tunnel.device)
        if found is not None and (found.vni, found.port, found.local) != (tunnel.vni, tunnel.port, tunnel.local):
            self.remove_tunnel(tunnel.device)
            found = None
        if found is None:
            self._ip.link(
                "add", ifname=tunnel.device, kind="vxlan", vxlan_id=tunnel.vni, vxlan_port=tunnel.port,
                vxlan_local=tunnel.local, vxlan_learning=False, address=tunnel.mac, mtu=tunnel.mtu,
            )  # fmt: skip
        self._ip.link("set", index=self._index(tunnel.device), address=tunnel.mac, mtu=tunnel.mtu, state="up")

    def remove_tunnel(self, device: str) -> None:
        link = self._link(device)
        if link is not None:
            with _gone_is_fine():
                self._ip.link("del", index=link["index"])

    def put_end(self, device: str, end: TunnelEnd) -> None:
        index = self._index(device)
        self._ip.fdb("replace", ifindex=index, lladdr=end.mac, dst=end.host, flags=_SELF, state=_PERMANENT)
        self._ip.neigh(
            "replace", ifindex=index, family=socket.AF_INET, dst=end.inner, lladdr=end.mac, state=_PERMANENT
        )  # fmt: skip

    def keep_only_ends(self, device: str, ends: frozenset[TunnelEnd]) -> int:
        """Removes the entries of all other ends; how many there were."""
        index, count = self._index(device), 0
        neighbours, hosts = {(e.inner, e.mac) for e in ends}, {(e.mac, e.host) for e in ends}
        for inner, mac in self._neighbours(device):
            if (inner, mac) not in neighbours:
                count += self._gone(partial(self._ip.neigh, "del", ifindex=index, family=socket.AF_INET, dst=inner))
        for mac, host in self._hosts(device):
            if (mac, host) not in hosts:
                count += self._gone(partial(self._ip.fdb, "del", ifindex=index, lladdr=mac, dst=host))
        return count

    def _gone(self, remove: Callable[[], object]) -> int:
        with _gone_is_fine():
            remove()
        return 1


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        if error.code not in _GONE:
            raise

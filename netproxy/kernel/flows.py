"""Removing UDP flows to endpoints that are gone from the kernel's table of connections."""

from __future__ import annotations

import logging
import socket
from collections.abc import Set
from typing import Any

from netproxy.services import Endpoint

log = logging.getLogger(__name__)


def forget(endpoints: Set[Endpoint]) -> None:
    """End the UDP flows that were translated to these. Raises OSError."""
    # Imported here: it costs memory, and only this mode, at this moment, needs it.
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

    ended = 0
    with NFCTSocket() as conntrack:
        # The whole list first: a socket of pyroute2 does one thing at a time.
        for entry in list(conntrack.dump(tuple_orig=NFCTAttrTuple(proto=socket.IPPROTO_UDP))):
            original, reply = _tuples(entry)
            if (reply.get("saddr"), reply.get("sport")) not in endpoints:
                continue
            flow = NFCTAttrTuple(
                saddr=original["saddr"],
                daddr=original["daddr"],
                proto=socket.IPPROTO_UDP,
                sport=original["sport"],
                dport=original["dport"],
            )
            try:
                conntrack.entry("del", tuple_orig=flow)
                ended += 1
            except NetlinkError as error:
                # It may have ended by itself since it was listed.
                log.debug("flow not ended error=%s", error)
    log.info("UDP flows ended endpoints=%d flows=%d", len(endpoints), ended)


def _tuples(entry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two directions of an entry, as far as UDP over IPv4 has them."""
    found = []
    for name in ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY"):
        part = entry.get_attr(name)
        ip, proto = part.get_attr("CTA_TUPLE_IP"), part.get_attr("CTA_TUPLE_PROTO")
        found.append(
            {
                "saddr": ip.get_attr("CTA_IP_V4_SRC"),
                "daddr": ip.get_attr("CTA_IP_V4_DST"),
                "sport": proto.get_attr("CTA_PROTO_SRC_PORT"),
                "dport": proto.get_attr("CTA_PROTO_DST_PORT"),
            }
        )
    return found[0], found[1]

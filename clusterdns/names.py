"""Names as they travel: text to wire form, reverse names, the steps up a name.

Wire names here are lower case and uncompressed, so that equal names are equal bytes.
"""

import ipaddress
from collections.abc import Iterator

from dnslib import DNSBuffer, DNSLabel, DNSLabelError
from dnslib.buffer import BufferError as DNSBufferError

MAX_NAME_BYTES = 255


def wire_name(text: str) -> bytes:
    """The wire form of a dotted name (a closing dot is allowed); ValueError when it is no domain name."""
    stripped = text.removesuffix(".").lower()
    if not stripped or ".." in stripped or stripped.startswith("."):
        raise ValueError(f"{text!r} is no domain name")
    buffer = DNSBuffer()
    try:
        buffer.encode_name_nocompress(DNSLabel(stripped))
    except (DNSLabelError, DNSBufferError, UnicodeError) as error:
        raise ValueError(f"{text!r} is no domain name: {error}") from error
    if len(buffer.data) > MAX_NAME_BYTES:
        raise ValueError(f"{text!r} is longer than {MAX_NAME_BYTES} bytes")
    return bytes(buffer.data)


def ancestors(name: bytes) -> Iterator[bytes]:
    """The wire name itself, then each name above it, the root left out."""
    offset = 0
    while name[offset]:
        yield name[offset:]
        offset += name[offset] + 1


def dashed(address: str) -> str:
    """An address as one label: 10.1.2.3 is 10-1-2-3, IPv6 likewise with its colons."""
    return address.replace(".", "-").replace(":", "-")


def undashed(label: bytes) -> str | None:
    """The address that a label of a pod name stands for, None when it stands for none."""
    text = label.decode("ascii", "replace")
    candidate = text.replace("-", ".") if text.count("-") == 3 else text.replace("-", ":")
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        # Four groups may be a short IPv6 address such as fd00--1-2.
        try:
            return str(ipaddress.ip_address(text.replace("-", ":")))
        except ValueError:
            return None


def reverse_zones(cidr: str) -> list[str]:
    """The reverse zones that cover a range: 10.96.0.0/15 is 96.10.in-addr.arpa and 97.10.in-addr.arpa."""
    network = ipaddress.ip_network(cidr)
    step = 8 if network.version == 4 else 4
    aligned = -(-network.prefixlen // step) * step
    kept = aligned // step + 2  # the two closing labels: in-addr.arpa or ip6.arpa
    return [
        ".".join(part.network_address.reverse_pointer.split(".")[-kept:])
        for part in network.subnets(new_prefix=aligned)
    ]

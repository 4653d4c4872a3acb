"""When a certificate ends, read from its DER: no more of X.509 than the way to that field.

Python's ssl tells it of the other side's certificate only, and a library for one's own costs a daemon some 6 MiB.

Source: RFC 5280, section 4.1 (the fields before it: version, serialNumber, signature, issuer).
"""

import math
import re
import ssl
import time
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_CENTURY_TURNS = 50  # a year of two digits from here on is of the last century


def not_after(pem: bytes) -> datetime:
    """Of the first certificate. Raises ValueError when there is none, or it is none."""
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no certificate")
    try:
        certificate = _content(ssl.PEM_cert_to_DER_cert(found[0].decode()))[0][1]
        fields = _content(_content(certificate)[0][1])
        validity = fields[4 if fields[0][0] == _VERSION else 3][1]
        tag, text = _content(validity)[1]
        return _time(tag, text.decode())
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"no certificate: {error}") from error


def ttl_s(pem: bytes) -> float:
    """Seconds from now; negative when it has ended, infinite when there is no certificate that has an end."""
    try:
        return not_after(pem).timestamp() - time.time()
    except ValueError:
        return math.inf


def _content(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element, one behind the other. Raises IndexError when one is cut short."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            raise IndexError("cut short")
        found.append((tag, der[at : at + length]))
        at += length
    return found


def _time(tag: int, text: str) -> datetime:
    """Raises ValueError."""
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < _CENTURY_TURNS else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time of an end")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)

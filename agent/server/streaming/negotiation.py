"""Which protocol a client and we speak, from the headers of its request. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.server.streaming.websocket import accept_key
from api.errors import BadRequest

SPDY = "SPDY/3.1"
WEBSOCKET = "websocket"


@dataclass(frozen=True, slots=True)
class Agreed:
    """The transport (``SPDY`` or ``WEBSOCKET``), the protocol in it, and the headers of the 101 that say so."""

    transport: str
    protocol: str
    headers: Mapping[str, str]


def agree(headers: Mapping[str, list[str]], *, websocket: Sequence[str], spdy: Sequence[str]) -> Agreed:
    """The first of the client's protocols that is among ours. ``headers`` have lower-case names.

    Raises BadRequest when it asks for no upgrade, or for nothing that we speak.
    """
    if "upgrade" not in _words(headers, "connection"):
        raise BadRequest("Upgrade request required")
    wanted = _words(headers, "upgrade")
    if WEBSOCKET in wanted:
        return _agree_websocket(headers, websocket)
    if SPDY.lower() in wanted:
        return _agree_spdy(headers, spdy)
    raise BadRequest(f"Upgrade: {', '.join(wanted)} is none of {SPDY}, {WEBSOCKET}")


def _agree_websocket(headers: Mapping[str, list[str]], ours: Sequence[str]) -> Agreed:
    if headers.get("sec-websocket-version") != ["13"]:
        raise BadRequest("Sec-WebSocket-Version: must be 13")
    try:
        accept = accept_key("".join(headers.get("sec-websocket-key", [])))
    except ValueError as error:
        raise BadRequest(f"Sec-WebSocket-Key: {error}") from error
    protocol = _chosen(_values(headers, "sec-websocket-protocol") or [""], ours)
    told = {"Upgrade": WEBSOCKET, "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    return Agreed(WEBSOCKET, protocol, told | ({"Sec-WebSocket-Protocol": protocol} if protocol else {}))


def _agree_spdy(headers: Mapping[str, list[str]], ours: Sequence[str]) -> Agreed:
    protocol = _chosen(_values(headers, "x-stream-protocol-version") or [ours[-1]], ours)
    told = {"Upgrade": SPDY, "Connection": "Upgrade", "X-Stream-Protocol-Version": protocol}
    return Agreed(SPDY, protocol, told)


def _chosen(theirs: Sequence[str], ours: Sequence[str]) -> str:
    for protocol in theirs:
        if protocol in ours:
            return protocol
    raise BadRequest(f"unable to negotiate protocol: client supports {list(theirs)}, server accepts {list(ours)}")


def _values(headers: Mapping[str, list[str]], name: str) -> list[str]:
    return [part.strip() for line in headers.get(name, []) for part in line.split(",") if part.strip()]


def _words(headers: Mapping[str, list[str]], name: str) -> list[str]:
    return [value.lower() for value in _values(headers, name)]

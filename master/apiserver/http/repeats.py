"""Requests that came before, byte for byte, from the same client: answered without being parsed and handled again.

Clients ask for the same object again and again, in the same words. The rule: only a read of the socket that was exactly
one request counts, on a connection where nothing was pending before and after it; so the same bytes can mean nothing
else. Whether the answer still holds is the handler's to say, each time.
"""

from __future__ import annotations

import msgspec

from master.apiserver.http.message import Again, Peer

# Bounded, since clients choose what they ask: some 6 MB at most.
_MOST = 4096
_MOST_BYTES = 1024


class Repeats:
    """Of all connections of one server."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Again] = {}

    @staticmethod
    def who(peer: Peer | None) -> bytes:
        """What makes the bytes of a client its own. It ends where JSON cannot go on, so no two can be mixed up."""
        return msgspec.json.encode(peer) + b"\n"

    def find(self, who: bytes, data: bytes) -> Again | None:
        return self._kept.get(who + data) if len(data) <= _MOST_BYTES and data.startswith(b"GET ") else None

    def keep(self, who: bytes, data: bytes, again: Again) -> None:
        if len(data) > _MOST_BYTES:
            return
        if len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[who + data] = again

    def forget(self, who: bytes, data: bytes) -> None:
        self._kept.pop(who + data, None)

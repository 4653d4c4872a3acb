"""How much one client may ask of the HTTP edge; each limit refuses, none of them queues without bound."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes are bytes on the wire, times are seconds."""

    header_bytes: int = 64 * 1024
    header_count: int = 128
    url_bytes: int = 16 * 1024
    body_bytes: int = 3 * 1024 * 1024
    upload_bytes: int = 256 * 1024 * 1024
    """Bytes of bodies that are not yet whole, over all connections: many slow clients hold no more than this."""
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    idle_timeout_s: float = 120.0
    write_stall_s: float = 60.0
    """A client that reads nothing of what waits for it for this long is cut."""
    linger_s: float = 2.0
    """How long what a refused client still sends is thrown away, so that it gets to read the refusal."""
    handshake_timeout_s: float = 10.0
    max_connections: int = 10_000
    max_pipelined: int = 16
    write_buffer_bytes: int = 256 * 1024
    gzip_min_bytes: int = 128 * 1024

    def check(self) -> list[str]:
        """Problems as "field: what is wrong"."""
        return [f"{f.name}: must be positive" for f in fields(self) if getattr(self, f.name) <= 0]

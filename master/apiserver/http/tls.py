"""TLS of the apiserver: our certificate, and client certificates checked against the cluster's CA.

A client without a certificate may connect (it can hold a token); one with a certificate of another CA may not.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from master.apiserver.http.message import Peer

# Taken once: all connections of one certificate are the same peer.
_CLOCKS_APART = time.perf_counter() - time.time()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the server's certificate (with its chain) and key, and the CA that client certificates come from."""

    certificate: Path
    key: Path
    client_ca: Path


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 and newer, HTTP/1.1 alone in ALPN. Raises OSError (ssl.SSLError) when the files do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    # No resumption: it would carry a client's certificate past its end, and Go's clients do not use it.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    _load(context, files)
    return context


def reload_context(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Use the files' present content for new connections; the context is untouched when they do not fit."""
    server_context(files)
    _load(context, files)


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    context.load_cert_chain(files.certificate, files.key)
    context.load_verify_locations(files.client_ca)


def peer_of(transport: asyncio.BaseTransport) -> Peer | None:
    """The subject of the verified client certificate; None without one. The last common name counts, as in Go."""
    certificate = transport.get_extra_info("peercert")
    if not certificate:
        return None
    parts = [part for rdn in certificate.get("subject", ()) for part in rdn]
    names = [value for key, value in parts if key == "commonName"]
    organizations = tuple(value for key, value in parts if key == "organizationName")
    ends = ssl.cert_time_to_seconds(certificate["notAfter"]) + _CLOCKS_APART
    return Peer(names[-1] if names else "", organizations, ends)

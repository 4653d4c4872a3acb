"""Extenders as the configuration file names them: HTTP servers that are asked beside our own filters and scores."""

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from api.struct import wire_name
from client.kubeconfig import load_chain


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    """A part of the file."""


class ManagedResource(_Part):
    """Pods that ask for it concern the extender. ``ignored_by_scheduler``: we do not count it ourselves."""

    name: str
    ignored_by_scheduler: bool = False


class TlsConfig(_Part):
    """How the extender is trusted and shown who we are: files in PEM form, or the same in base64 (``…Data``)."""

    insecure: bool = False
    server_name: str = ""
    ca_file: str = ""
    ca_data: str = ""
    cert_file: str = ""
    cert_data: str = ""
    key_file: str = ""
    key_data: str = ""


class ExtenderPart(_Part):
    """One extender. A verb is what follows ``urlPrefix/``; one that is not said is not asked for."""

    url_prefix: str
    filter_verb: str = ""
    prioritize_verb: str = ""
    preempt_verb: str = ""
    bind_verb: str = ""
    weight: Annotated[int, msgspec.Meta(ge=0)] = 0
    enable_https: bool = msgspec.field(default=False, name="enableHTTPS")
    tls_config: TlsConfig | None = None
    http_timeout: str = msgspec.field(default="", name="httpTimeout")
    node_cache_capable: bool = False
    managed_resources: list[ManagedResource] = []
    ignorable: bool = False


def problems(parts: list[ExtenderPart]) -> Iterator[str]:
    """What is wrong, and where."""
    for at, part in enumerate(parts):
        where, url = f"extenders[{at}]", urlsplit(part.url_prefix)
        if url.scheme not in ("http", "https") or not url.hostname:
            yield f"{where}.urlPrefix: {part.url_prefix!r} is no address such as http://127.0.0.1:8888/scheduler"
        if part.enable_https and url.scheme != "https":
            yield f"{where}.urlPrefix: must begin with https:// where enableHTTPS is true"
        if part.prioritize_verb and not part.weight:
            yield f"{where}.weight: must be greater than 0 for an extender that prioritizes"
        if part.bind_verb and any(other.bind_verb for other in parts[:at]):
            yield f"{where}.bindVerb: only one extender can bind"
        if part.tls_config is not None and url.scheme == "https":
            try:
                trust_of(part.tls_config)
            except (OSError, ValueError) as error:
                yield f"{where}.tlsConfig: {error}"


def ignored_resources(parts: list[ExtenderPart]) -> list[str]:
    """The resources that the extenders count in our place."""
    return sorted({one.name for part in parts for one in part.managed_resources if one.ignored_by_scheduler})


def trust_of(tls: TlsConfig) -> ssl.SSLContext:
    """Raises OSError and ValueError for what cannot be used."""
    ca = _pem(tls.ca_file, tls.ca_data)
    context = ssl.create_default_context(cadata=ca.decode() if ca else None)
    if tls.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate, key = _pem(tls.cert_file, tls.cert_data), _pem(tls.key_file, tls.key_data)
    if bool(certificate) != bool(key):
        raise ValueError("a certificate and its key are said together")
    if certificate:
        load_chain(context, certificate, key)
    return context


def _pem(path: str, data: str) -> bytes:
    return base64.b64decode(data, validate=True) if data else Path(path).read_bytes() if path else b""

"""Reads a kubeconfig: which server, whom to trust, and who we are.

Understood are the forms that a component on a host meets: certificates as files or embedded, and bearer tokens. Refused
by name are the ones that would run a program (``exec``, ``auth-provider``): a daemon must not depend on them.
"""

import base64
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class KubeconfigError(Exception):
    """The file is missing something; the message names file and field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where the API server is and how to prove who we are. Certificates and key are PEM bytes and are never logged."""

    server: str
    ca: bytes = b""
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)

    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        if self.certificate:
            _load_chain(context, self.certificate, self.key)
        return context


def _load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads a chain from a file only: a memory file keeps the key off the disk."""
    handle = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(handle, certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def load_kubeconfig(path: Path) -> Credentials:
    """The current context of a kubeconfig file. Raises KubeconfigError."""
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise KubeconfigError(f"{path}: no such file; `steersman up` writes it") from error
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    context = _named(document, "contexts", "context", str(document.get("current-context", "")), path)
    cluster = _named(document, "clusters", "cluster", str(context.get("cluster", "")), path)
    user = _named(document, "users", "user", str(context.get("user", "")), path)
    for unsupported in ("exec", "auth-provider"):
        if unsupported in user:
            raise KubeconfigError(f"{path}: users[].user.{unsupported} is not supported; use a certificate or a token")
    server = str(cluster.get("server", ""))
    if not server:
        raise KubeconfigError(f"{path}: clusters[].cluster.server is missing")
    return Credentials(
        server=server,
        ca=_pem(cluster, "certificate-authority", path),
        certificate=_pem(user, "client-certificate", path),
        key=_pem(user, "client-key", path),
        token=str(user.get("token", "")),
    )


def _named(document: dict[str, Any], collection: str, part: str, name: str, path: Path) -> dict[str, Any]:
    for entry in document.get(collection) or []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(part), dict):
            found: dict[str, Any] = entry[part]
            return found
    raise KubeconfigError(f'{path}: {collection} has no entry named "{name}"')


def _pem(entry: dict[str, Any], key: str, path: Path) -> bytes:
    if embedded := entry.get(f"{key}-data"):
        try:
            return base64.b64decode(str(embedded), validate=True)
        except ValueError as error:
            raise KubeconfigError(f"{path}: {key}-data is not base64") from error
    if name := entry.get(key):
        file = path.parent / str(name)
        try:
            return file.read_bytes()
        except OSError as error:
            raise KubeconfigError(f"{path}: {key}: {error}") from error
    return b""

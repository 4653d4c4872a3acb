"""Reads a kubeconfig: which servers, whom to trust, and who we are.

Understood are the forms that a component on a host meets: certificates as files or embedded, and bearer tokens. Refused
by name are the ones that would run a program (``exec``, ``auth-provider``), on which a daemon must not depend, and all
other settings that would go unheeded.
"""

import base64
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from client.connection import Server
from client.documents import parse

_UNSUPPORTED_USER = ("exec", "auth-provider", "tokenFile", "username", "password", "as", "as-uid", "as-groups")
_UNSUPPORTED_CLUSTER = ("insecure-skip-tls-verify", "proxy-url", "tls-server-name")
# The name under which the cluster's further servers stand among its extensions.
EXTENSION = "steersman.io/servers"


class KubeconfigError(Exception):
    """The file is missing something; the message names file and field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where the API server is and how to prove who we are. Certificates and key are PEM bytes and are never logged."""

    server: str
    others: tuple[str, ...] = ()  # further API servers of the same cluster
    ca: bytes = b""
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    namespace: str = ""  # what the context names; for people's commands
    path: Path | None = None  # the file they were read from, and its context: both are read again when it is replaced
    context: str = ""
    acting_as: tuple[tuple[str, str], ...] = ()  # headers that ask the server to take us for somebody else

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those of each request. Raises ValueError for what cannot be sent."""
        own = [("Authorization", f"Bearer {self.token}")] if self.token else []
        for name, value in (*own, *self.acting_as):
            if not (value.isascii() and value.isprintable()):
                what = "the token" if name == "Authorization" else name
                raise ValueError(f"{what} has characters that cannot be sent")
        return [*own, *self.acting_as]

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.server, *(url for url in self.others if url != self.server))

    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        if self.certificate:
            load_chain(context, self.certificate, self.key)
        return context


def load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads a chain from a file only: a memory file keeps the key off the disk."""
    with _memory_file() as file:
        file.write(certificate.rstrip() + b"\n" + key)
        file.flush()
        # Without a password given, OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password="")


def _memory_file() -> BinaryIO:
    try:
        return os.fdopen(os.memfd_create("client-certificate", os.MFD_CLOEXEC), "wb")
    except (AttributeError, OSError):
        # Before Linux 3.17, or a Python built for a glibc before 2.27: a file without a name on the memory file system.
        import tempfile

        return cast(BinaryIO, tempfile.TemporaryFile(dir="/dev/shm"))


def load_kubeconfig(path: Path, *, context: str = "", cluster: str = "", user: str = "") -> Credentials:
    """A context of a kubeconfig file, by default the current one; ``cluster`` and ``user``: with these entries in the
    place of its own. Raises KubeconfigError."""
    try:
        document = parse(path.read_text())
    except FileNotFoundError as error:
        raise KubeconfigError(f"{path}: no such file; `steersman up` writes it") from error
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    chosen = context or document.get("current-context")
    if not chosen:
        raise KubeconfigError(f"{path}: current-context is missing")
    names = _named(document, "contexts", "context", str(chosen), path)
    of_cluster = _named(document, "clusters", "cluster", cluster or str(names.get("cluster", "")), path)
    of_user = _named(document, "users", "user", user or str(names.get("user", "")), path)
    for unsupported in _UNSUPPORTED_USER:
        if of_user.get(unsupported):
            raise KubeconfigError(f"{path}: users[].user.{unsupported} is not supported; use a certificate or a token")
    for unsupported in _UNSUPPORTED_CLUSTER:
        if of_cluster.get(unsupported):
            raise KubeconfigError(f"{path}: clusters[].cluster.{unsupported} is not supported")
    server, *others = _servers(of_cluster, path)
    credentials = Credentials(
        server=server,
        others=tuple(others),
        ca=_pem(of_cluster, "certificate-authority", path),
        certificate=_pem(of_user, "client-certificate", path),
        key=_pem(of_user, "client-key", path),
        token=str(of_user.get("token") or ""),
        namespace=str(names.get("namespace") or ""),
        path=path,
        context=context,
    )
    _check_certificates(credentials, path)
    return credentials


def _servers(cluster: dict[str, Any], path: Path) -> list[str]:
    """The server that every client understands, and further ones of the same cluster, which ours do."""
    server = str(cluster.get("server") or "")
    if not server:
        raise KubeconfigError(f"{path}: clusters[].cluster.server is missing")
    _check_server(server, f"{path}: clusters[].cluster.server")
    where = f"{path}: clusters[].cluster.extensions[{EXTENSION}].servers"
    others = _extension(cluster).get("servers", [])
    if not isinstance(others, list):
        raise KubeconfigError(f"{where}: must be a list of addresses")
    for one in others:
        _check_server(str(one), where)
    return [server, *map(str, others)]


def _check_server(url: str, where: str) -> None:
    try:
        Server.at(url)
    except ValueError as error:
        raise KubeconfigError(f"{where}: must begin with https:// or http://: {error}") from error


def _extension(cluster: dict[str, Any]) -> dict[str, Any]:
    """What is said to us alone, where a kubeconfig has place for it."""
    entries = cluster.get("extensions")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == EXTENSION and isinstance(entry.get("extension"), dict):
            found: dict[str, Any] = entry["extension"]
            return found
    return {}


def _check_certificates(credentials: Credentials, path: Path) -> None:
    """Tells now, and by name, what the first connection would fail on."""
    if bool(credentials.certificate) != bool(credentials.key):
        missing = "client-key" if credentials.certificate else "client-certificate"
        raise KubeconfigError(f"{path}: users[].user.{missing} is missing")
    try:
        if credentials.ca:
            ssl.create_default_context(cadata=credentials.ca.decode())
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f"{path}: certificate-authority: no certificate in PEM form: {error}") from error
    try:
        if credentials.certificate:
            # Not the default context: that one reads the certificates of all the world, a MiB, and trusts none here.
            load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), credentials.certificate, credentials.key)
    except (ssl.SSLError, ValueError) as error:
        wrong = f"{path}: client-certificate, client-key: not a certificate and its key in PEM form: {error}"
        raise KubeconfigError(wrong) from error


def _named(document: dict[str, Any], collection: str, part: str, name: str, path: Path) -> dict[str, Any]:
    entries = document.get(collection)
    for entry in entries if isinstance(entries, list) else []:
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

"""Makes and keeps the cluster's certificates and kubeconfig files, in kubeadm's layout.

    DIRECTORY/pki/ca.crt ca.key sa.key sa.pub apiserver.crt apiserver.key apiserver-kubelet-client.crt ...
    DIRECTORY/admin.kubeconfig controller-manager.kubeconfig ...

The rule: `ensure` may be killed at any line and called again at any time. It makes what is missing, makes again what is
worn, changed or does not fit together, and leaves alone what serves. It never replaces a CA: that would lock every node
out, so a CA that is half there or spoilt is an error that says what to do.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from client.files import write_atomically
from master import certificates, kubeconfig
from master.certificates import Pair, Subject
from master.lock import lock_directory

log = logging.getLogger(__name__)

_LOCK_TIMEOUT_S = 30.0
_KEY_MODE = 0o600
_PUBLIC_MODE = 0o644


class PkiError(Exception):
    """The certificates cannot be made or kept; the message names the file and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One certificate to keep: as `pki/<name>.crt` and `.key`, or embedded in `<name>.kubeconfig`."""

    name: str
    subject: Subject
    kubeconfig: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    """Where everything is, and what `ensure` did in sentences."""

    directory: Path
    done: tuple[str, ...] = ()

    @property
    def ca_certificate(self) -> Path:
        return self.certificate("ca")

    @property
    def ca_key(self) -> Path:
        return self.key("ca")

    @property
    def service_account_key(self) -> Path:
        return self.key("sa")

    @property
    def service_account_public_key(self) -> Path:
        return self.directory / "pki" / "sa.pub"

    def certificate(self, name: str) -> Path:
        return self.directory / "pki" / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.directory / "pki" / f"{name}.key"

    def kubeconfig(self, name: str) -> Path:
        return self.directory / f"{name}.kubeconfig"


def ensure(
    directory: Path,
    identities: Iterable[Identity],
    *,
    server: str,
    cluster: str = "steersman",
    others: tuple[str, ...] = (),
    now: datetime.datetime | None = None,
) -> Pki:
    """Make the set whole. `server` is the URL that the kubeconfig files point to, `others` are those of
    further masters.

    Raises PkiError when the CA cannot be used, OSError when files cannot be written, TimeoutError when another process
    works on the same directory for too long.
    """
    with _opened(directory):
        moment = now or datetime.datetime.now(datetime.UTC)
        keeper = _Keeper(Pki(directory=directory), (server, *others), cluster, moment)
        ca = keeper.keep_ca()
        keeper.keep_signing_key()
        keeper.keep(ca, identities)
    return keeper.told()


def issue(
    authority: Path,
    directory: Path,
    identities: Iterable[Identity],
    *,
    server: str,
    cluster: str = "steersman",
    others: tuple[str, ...] = (),
    now: datetime.datetime | None = None,
) -> Pki:
    """Make `directory` whole for another host: what it needs, signed by the CA in `authority`, and ca.crt.

    The CA is made where there is none yet; its key and the key of tokens never leave `authority`. Raises as `ensure`.
    """
    moment = now or datetime.datetime.now(datetime.UTC)
    with _opened(authority):
        ca = _Keeper(Pki(directory=authority), (server, *others), cluster, moment).keep_ca()
    with _opened(directory):
        keeper = _Keeper(Pki(directory=directory), (server, *others), cluster, moment)
        keeper.keep_ca_certificate(ca)
        keeper.keep(ca, identities)
    return keeper.told()


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[None]:
    """The directory and its `pki/`, private, locked, and without what a killed writer left."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = directory / "pki"
    private.mkdir(mode=0o700, exist_ok=True)
    private.chmod(0o700)
    with lock_directory(private, timeout_s=_LOCK_TIMEOUT_S):
        _drop_leftovers(directory.glob(".*.kubeconfig*.tmp"))
        _drop_leftovers(private.glob(".*.tmp"))
        yield


def standard_identities(*, node_name: str) -> tuple[Identity, ...]:
    """The clients of a one-host cluster; the servers' identities depend on addresses and are added by the caller."""
    return (*master_identities(), *node_identities(node_name=node_name))


def master_identities() -> tuple[Identity, ...]:
    """The clients that run on a master, and the administrator."""
    return (
        _client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters", embedded=False),
        _client("admin", "kubernetes-admin", "system:masters"),
        _client("controller-manager", "system:kube-controller-manager"),
        _client("scheduler", "system:kube-scheduler"),
    )


def node_identities(*, node_name: str) -> tuple[Identity, ...]:
    """The clients that run on every node."""
    return (
        _client("netproxy", "system:kube-proxy"),
        _client("dns", "steersman:dns"),
        _client("agent", f"system:node:{node_name}", "system:nodes"),
    )


def apiserver_identity(*, host_name: str, addresses: Iterable[str], service_ip: str, domain: str) -> Identity:
    """The apiserver's certificate under every name that clients in and out of the cluster call it by."""
    inside = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}")
    names = (host_name, "localhost", "127.0.0.1", "::1", *addresses, service_ip, *inside)
    return Identity(name="apiserver", subject=Subject(common_name="kube-apiserver", names=names, server=True))


def agent_identity(*, node_name: str, host_name: str, addresses: Iterable[str]) -> Identity:
    """The agent's serving certificate; the subject is the one kubelet uses."""
    names = (node_name, host_name, "localhost", "127.0.0.1", "::1", *addresses)
    subject = Subject(common_name=f"system:node:{node_name}", organizations=("system:nodes",), names=names, server=True)
    return Identity(name="agent", subject=subject)


def etcd_identities(*, host_name: str, addresses: Iterable[str]) -> tuple[Identity, ...]:
    """A member of etcd, towards clients and the other members, and the API server as its client.

    For a CA of etcd's own: etcd gives all rights to every client that its CA has signed.
    """
    names = (host_name, "localhost", "127.0.0.1", "::1", *addresses)
    member = Subject(common_name="etcd", names=names, server=True, client=True)
    return (
        Identity(name="etcd", subject=member),
        _client("apiserver-etcd-client", "kube-apiserver-etcd-client", embedded=False),
    )


def client_identity(name: str, groups: tuple[str, ...] = (), *, embedded: bool) -> Identity:
    """A user: as `<name>.kubeconfig` when embedded, else as `pki/<name>.crt` and `.key`."""
    return Identity(
        name=name, subject=Subject(common_name=name, organizations=groups, client=True), kubeconfig=embedded
    )


class _Keeper:
    """One run of `ensure` or `issue`, under the lock."""

    def __init__(self, paths: Pki, servers: tuple[str, ...], cluster: str, now: datetime.datetime) -> None:
        self._paths = paths
        self._servers = servers
        self._cluster = cluster
        self._now = now
        self.done: list[str] = []

    def told(self) -> Pki:
        for sentence in self.done:
            log.info("pki changed what=%r directory=%s", sentence, self._paths.directory)
        return Pki(directory=self._paths.directory, done=tuple(self.done))

    def keep(self, ca: Pair, identities: Iterable[Identity]) -> None:
        for identity in identities:
            if identity.kubeconfig:
                self._keep_kubeconfig(ca, identity)
            else:
                self._keep_files(ca, identity)

    def keep_ca_certificate(self, ca: Pair) -> None:
        """The CA's certificate alone, for a host that trusts it and signs nothing."""
        path, wanted = self._paths.ca_certificate, ca.certificate_pem()
        if not path.exists() or path.read_bytes() != wanted:
            write_atomically(path, wanted, mode=_PUBLIC_MODE)
            self.done.append("made ca.crt: copied from the CA")

    def keep_ca(self) -> Pair:
        """The key is written first: a key alone is a CA half made, a certificate alone is a CA that lost its key."""
        key_path, path = self._paths.ca_key, self._paths.ca_certificate
        if path.exists() and not key_path.exists():
            raise PkiError(f"{key_path}: missing beside ca.crt: restore it, or remove ca.crt to start a new CA")
        if not key_path.exists():
            self._write_key(key_path, certificates.private_pem(certificates.make_key()))
        if not path.exists():
            ca = certificates.make_ca(f"{self._cluster}-ca", self._load_ca_key(), now=self._now)
            write_atomically(path, ca.certificate_pem(), mode=_PUBLIC_MODE)
            self.done.append("made ca")
        return self._load_ca()

    def _load_ca_key(self) -> ec.EllipticCurvePrivateKey:
        try:
            _tighten(self._paths.ca_key)
            return certificates.load_key(self._paths.ca_key.read_bytes())
        except ValueError as error:
            raise PkiError(f"{self._paths.ca_key}: cannot be read: {error}") from error

    def _load_ca(self) -> Pair:
        path = self._paths.ca_certificate
        try:
            ca = Pair(certificates.load_certificate(path.read_bytes()), self._load_ca_key())
        except ValueError as error:
            raise PkiError(f"{path}: cannot be read: {error}") from error
        if ca.certificate.public_key() != ca.key.public_key():
            raise PkiError(f"{path}: does not belong to ca.key: restore the one that fits")
        if ca.certificate.not_valid_after_utc <= self._now:
            raise PkiError(f"{path}: expired: remove ca.crt to make it again from the same key")
        return ca

    def keep_signing_key(self) -> None:
        path, public_path = self._paths.service_account_key, self._paths.service_account_public_key
        if not path.exists():
            self._write_key(path, certificates.private_pem(certificates.make_signing_key()))
            self.done.append("made sa")
        _tighten(path)
        try:
            public = certificates.public_pem(certificates.load_signing_key(path.read_bytes()))
        except ValueError as error:
            raise PkiError(f"{path}: cannot be read: {error}: remove it to make a new one") from error
        if not public_path.exists() or public_path.read_bytes() != public:
            write_atomically(public_path, public, mode=_PUBLIC_MODE)

    def _keep_files(self, ca: Pair, identity: Identity) -> None:
        path, key_path = self._paths.certificate(identity.name), self._paths.key(identity.name)
        reason = "missing"
        if path.exists() and key_path.exists():
            _tighten(key_path)
            reason = self._why_renew(ca, identity, path.read_bytes(), key_path.read_bytes())
        if reason:
            pair = certificates.make_leaf(ca, identity.subject, now=self._now)
            self._write_key(key_path, pair.key_pem())
            write_atomically(path, pair.certificate_pem(), mode=_PUBLIC_MODE)
            self.done.append(f"made {identity.name}: {reason}")

    def _keep_kubeconfig(self, ca: Pair, identity: Identity) -> None:
        path = self._paths.kubeconfig(identity.name)
        present, reason = self._read_kubeconfig(path)
        if present is not None:
            reason = self._why_renew(ca, identity, present.certificate, present.key)
        if reason or present is None:
            pair = certificates.make_leaf(ca, identity.subject, now=self._now)
            pems = pair.certificate_pem(), pair.key_pem()
        else:
            pems = present.certificate, present.key
        wanted = kubeconfig.Kubeconfig(
            server=self._servers[0],
            others=self._servers[1:],
            ca=ca.certificate_pem(),
            certificate=pems[0],
            key=pems[1],
            user=identity.subject.common_name,
            cluster=self._cluster,
        )
        if wanted != present:
            kubeconfig.write_kubeconfig(path, wanted)
            self.done.append(f"made {path.name}: {reason or 'server or ca changed'}")

    def _read_kubeconfig(self, path: Path) -> tuple[kubeconfig.Kubeconfig | None, str]:
        if not path.exists():
            return None, "missing"
        _tighten(path)
        try:
            return kubeconfig.parse(path.read_bytes()), ""
        except ValueError:
            return None, "not readable"

    def _why_renew(self, ca: Pair, identity: Identity, certificate: bytes, key: bytes) -> str:
        try:
            pair = certificates.load_pair(certificate, key)
        except ValueError:
            return "not readable"
        return certificates.why_renew(pair, ca, identity.subject, now=self._now) or ""

    def _write_key(self, path: Path, pem: bytes) -> None:
        write_atomically(path, pem, mode=_KEY_MODE)


def _client(name: str, user: str, group: str = "", *, embedded: bool = True) -> Identity:
    groups = (group,) if group else ()
    subject = Subject(common_name=user, organizations=groups, client=True)
    return Identity(name=name, subject=subject, kubeconfig=embedded)


def _tighten(path: Path) -> None:
    """A key that others could read is closed again."""
    if path.stat().st_mode & 0o077:
        log.warning("key file was open to others, closed path=%s", path)
        path.chmod(_KEY_MODE)


def _drop_leftovers(paths: Iterable[Path]) -> None:
    """What a killed writer left."""
    for path in tuple(paths):
        path.unlink()

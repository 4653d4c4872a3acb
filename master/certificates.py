"""Making certificates: values in, values out, no file touched.

The rule: what is made passes the strict checks of OpenSSL 3, of Python 3.13 and of Go. So every certificate holds key
identifiers, key usage and an extended key usage, a server's names stand in its subject alternative names, and only the
CA may sign. Keys are EC P-256, except for service account tokens, which clients expect to be RS256.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
LEAF_DAYS = 365
# A host whose clock is a little behind must not refuse a certificate made this minute.
_CLOCK_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a certificate is for. `names` are host names and addresses; only a server has any."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    client: bool = False
    server: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError naming the field."""
        if not 1 <= len(self.common_name) <= 64:
            raise ValueError(f"common_name: {self.common_name!r} must have 1 to 64 characters")
        if self.server and not self.names:
            raise ValueError(f"names: the server certificate {self.common_name!r} needs at least one")
        if not (self.client or self.server):
            raise ValueError(f"client, server: {self.common_name!r} must be at least one of both")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return private_pem(self.key)


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def make_ca(common_name: str, key: ec.EllipticCurvePrivateKey, *, now: datetime.datetime) -> Pair:
    """A self-signed CA that may sign leaves only; the same key and name verify what was signed before."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        _builder(name, name, key.public_key(), now=now, days=CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificate_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def make_leaf(ca: Pair, subject: Subject, *, now: datetime.datetime) -> Pair:
    """A certificate for `subject` signed by `ca`, never outliving it."""
    key = make_key()
    issuer_id = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    end = ca.certificate.not_valid_after_utc
    builder = (
        _builder(_name_of(subject), ca.certificate.subject, key.public_key(), now=now, days=LEAF_DAYS, end=end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificate_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_purposes(subject)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
    )
    if subject.names:
        names = x509.SubjectAlternativeName([general_name(name) for name in sorted(set(subject.names))])
        builder = builder.add_extension(names, critical=False)
    return Pair(builder.sign(ca.key, hashes.SHA256()), key)


def make_signing_key() -> rsa.RSAPrivateKey:
    """The key that signs service account tokens."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def why_renew(pair: Pair, ca: Pair, subject: Subject, *, now: datetime.datetime) -> str | None:
    """Why the certificate must be made again, None when it still serves."""
    certificate = pair.certificate
    if certificate.public_key() != pair.key.public_key():
        return "key does not match the certificate"
    if not _is_signed_by(certificate, ca.certificate):
        return "signed by another CA"
    if certificate.subject != _name_of(subject):
        return "subject changed"
    if _names_of(certificate) != {general_name(name) for name in subject.names}:
        return "names changed"
    return _why_worn(certificate, now)


def general_name(name: str) -> x509.GeneralName:
    """An address as an IP name, anything else as a DNS name. Raises ValueError for what is neither."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not name.isascii() or not name:
            raise ValueError(f"names: {name!r} is neither an address nor an ASCII host name") from None
        return x509.DNSName(name)


def private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """PKCS#8, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_pair(certificate_pem: bytes, key_pem: bytes) -> Pair:
    """Raises ValueError when either is not what it should be."""
    return Pair(load_certificate(certificate_pem), load_key(key_pem))


def load_certificate(certificate_pem: bytes) -> x509.Certificate:
    """Raises ValueError when it is not one."""
    return x509.load_pem_x509_certificate(certificate_pem)


def load_key(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError when it is not an EC key."""
    key: PrivateKeyTypes = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("key: not an EC key")
    return key


def load_signing_key(key_pem: bytes) -> rsa.RSAPrivateKey:
    """Raises ValueError when it is not an RSA key."""
    key = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("key: not an RSA key")
    return key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    now: datetime.datetime,
    days: int,
    end: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    wanted = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(wanted if end is None else min(wanted, end))
    )


def _usage(*, certificate_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificate_authority,
        crl_sign=certificate_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _purposes(subject: Subject) -> list[x509.ObjectIdentifier]:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] if subject.server else []
    return purposes + ([ExtendedKeyUsageOID.CLIENT_AUTH] if subject.client else [])


def _name_of(subject: Subject) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in subject.organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)])


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _why_worn(certificate: x509.Certificate, now: datetime.datetime) -> str | None:
    """A third of the life left is the time to renew: there is room for a failed try and a long holiday."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        return "not valid yet"
    return "less than a third of its life is left" if end - now < (end - start) / 3 else None

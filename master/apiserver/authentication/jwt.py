"""JSON Web Tokens, as far as service accounts need them: compact form, RS256 or ES256 as the key is. Pure.

What is refused: any other algorithm (above all ``none``), a key id that is not ours, and what does not decode. The
algorithm is taken from the key, never from the token.

Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 section 3; the key id is Kubernetes' (pkg/serviceaccount/jwt.go).
"""

import base64
import binascii
import hashlib
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from master.apiserver.authentication.user import BadTokenError

_ES256_BYTES = 32
_LONGEST = 16 * 1024


class _Header(msgspec.Struct):
    alg: str
    kid: str = ""


class SigningKey:
    """A private key, its algorithm and its id."""

    def __init__(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        spki = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.identity = _base64(hashlib.sha256(spki).digest())

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Raises ValueError for what is neither an RSA nor a P-256 key."""
        key = serialization.load_pem_private_key(pem, None)
        if isinstance(key, rsa.RSAPrivateKey):
            return cls(key)
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(key)
        raise ValueError("must be an RSA key or an EC key on the curve P-256")

    def sign(self, claims: Any) -> str:
        """The token that says these claims; they are anything that encodes to a JSON object."""
        header = {"alg": self.algorithm, "kid": self.identity}
        text = f"{_base64(msgspec.json.encode(header))}.{_base64(msgspec.json.encode(claims))}"
        return f"{text}.{_base64(self._signature(text.encode()))}"

    def verified(self, token: str) -> bytes:
        """The JSON of the claims. Raises BadTokenError; times and meaning are the caller's to check."""
        if len(token) > _LONGEST or not token.isascii():
            raise BadTokenError("not a token")
        signed, _, signature = token.rpartition(".")
        head, _, body = signed.partition(".")
        try:
            header = msgspec.json.decode(_bytes(head), type=_Header)
            claims, proof = _bytes(body), _bytes(signature)
        except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
            raise BadTokenError("not a token") from error
        if header.alg != self.algorithm or header.kid not in ("", self.identity):
            raise BadTokenError("signed with another key")
        if not self._fits(signed.encode(), proof):
            raise BadTokenError("the signature does not fit")
        return claims

    def jwk(self) -> dict[str, str]:
        """The public key, for those who check tokens themselves."""
        found = {"use": "sig", "kid": self.identity, "alg": self.algorithm}
        if isinstance(self._key, rsa.RSAPrivateKey):
            public = self._key.public_key().public_numbers()
            return {"kty": "RSA", **found, "n": _number(public.n), "e": _number(public.e)}
        point = self._key.public_key().public_numbers()
        x, y = (_base64(value.to_bytes(_ES256_BYTES, "big")) for value in (point.x, point.y))
        return {"kty": "EC", **found, "crv": "P-256", "x": x, "y": y}

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        pair = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return b"".join(value.to_bytes(_ES256_BYTES, "big") for value in pair)

    def _fits(self, data: bytes, signature: bytes) -> bool:
        try:
            if isinstance(self._key, rsa.RSAPrivateKey):
                self._key.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
                return True
            if len(signature) != 2 * _ES256_BYTES:
                return False
            r, s = (int.from_bytes(half, "big") for half in (signature[:_ES256_BYTES], signature[_ES256_BYTES:]))
            self._key.public_key().verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))

"""The key that signs tokens, out of its file: looked at when the server starts, loaded when the first token comes.

Loading it takes a library of 8 MiB, which a master without service account tokens never needs. So the start refuses
what people get wrong (another file, a certificate, an encrypted key, another kind or curve) by what stands in the file.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from master.apiserver.authentication.jwt import SigningKey

# RFC 7468; RFC 5208 (PRIVATE KEY), RFC 8017 (RSA), RFC 5915 (EC).
_PEM = re.compile(rb"-----BEGIN ((?:RSA |EC |)PRIVATE KEY)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----")
# As DER has them: rsaEncryption (RFC 8017, appendix C) and prime256v1 (RFC 5480, 2.1.1.1).
_RSA = bytes.fromhex("06092a864886f70d010101")
_P256 = bytes.fromhex("06082a8648ce3d030107")


def signing_key(pem: bytes) -> "Callable[[], SigningKey]":
    """Gives the key when called. Raises ValueError for what is neither an RSA nor a P-256 key."""
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("holds no unencrypted private key in PEM")
    try:
        der = b64decode(re.sub(rb"\s", b"", found[2]), validate=True)
    except binascii.Error as error:
        raise ValueError(f"is damaged: {error}") from error
    if not found[1].startswith(b"RSA") and _RSA not in der and _P256 not in der:
        raise ValueError("must be an RSA key or an EC key on the curve P-256")

    @cache
    def load() -> "SigningKey":
        from master.apiserver.authentication.jwt import SigningKey

        return SigningKey.from_pem(pem)

    return load

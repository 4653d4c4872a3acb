"""The signed form of a token, by itself."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from master.apiserver.authentication.jwt import SigningKey
from master.apiserver.authentication.key_file import signing_key
from master.apiserver.authentication.user import BadTokenError

RSA = SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EC = SigningKey(ec.generate_private_key(ec.SECP256R1()))


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
def test_what_a_key_signs_it_verifies(key: SigningKey) -> None:
    token = key.sign({"sub": "me"})
    assert json.loads(key.verified(token)) == {"sub": "me"}
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header == {"alg": key.algorithm, "kid": key.identity}


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
def test_a_changed_token_proves_nothing(key: SigningKey) -> None:
    head, body, signature = key.sign({"sub": "me"}).split(".")
    for token in (
        f"{head}.{part({'sub': 'you'})}.{signature}",
        f"{part({'alg': 'none'})}.{body}.",
        f"{part({'alg': 'HS256', 'kid': key.identity})}.{body}.{signature}",
        f"{part({'alg': key.algorithm, 'kid': 'other'})}.{body}.{signature}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.",
        f"{head}.{body}",
        "",
        "a.b.c",
        "é.b.c",
        "a" * 20_000,
    ):
        with pytest.raises(BadTokenError):
            key.verified(token)


def test_a_key_does_not_verify_what_another_signed() -> None:
    other = SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    for key in (other, EC):
        with pytest.raises(BadTokenError):
            RSA.verified(key.sign({"sub": "me"}))


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(BadTokenError):
        RSA.verified(text)


def test_the_public_key_is_told_as_a_jwk() -> None:
    assert RSA.jwk() | {"n": ""} == {
        "kty": "RSA",
        "use": "sig",
        "kid": RSA.identity,
        "alg": "RS256",
        "n": "",
        "e": "AQAB",
    }
    assert EC.jwk()["crv"] == "P-256"


def test_only_keys_that_can_sign_tokens_are_taken() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="P-256"):
        SigningKey.from_pem(other)
    with pytest.raises(ValueError, match="PEM"):
        SigningKey.from_pem(b"no key")


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    password: bytes = b"",
) -> bytes:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, how)


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(public_exponent=65537, key_size=2048), ec.generate_private_key(ec.SECP256R1())]
)
def test_a_key_file_is_loaded_when_it_is_asked_for(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat
) -> None:
    load = signing_key(b"a line of somebody\n" + pem(key, form=form))
    assert load().verified(SigningKey(key).sign({"sub": "a"})) == b'{"sub":"a"}'


@pytest.mark.parametrize(
    "wrong",
    [
        b"no key",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ec.generate_private_key(ec.SECP256R1()), password=b"secret"),
        b"-----BEGIN PRIVATE KEY-----\nMIGH\nAgEAA\n-----END PRIVATE KEY-----",
        b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    ],
)
def test_a_start_refuses_a_file_that_is_no_such_key(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"must be|holds no|damaged"):
        signing_key(wrong)

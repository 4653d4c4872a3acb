"""`steer create configmap` and `steer create secret generic|tls|docker-registry`."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import click

from cli.steer.creating.making import Build, Made, maker, meta
from cli.steer.creating.sources import FLAGS, data, read
from cli.steer.failures import Failure
from cli.steer.output.gojson import go_json
from cli.steer.reaching import with_common
from cli.steer.session import Object, Session

# Of the ten digits those that could spell words are others, as in kustomize.
_DIGITS = str.maketrans("013ae", "ghkmt")
_REGISTRY = "https://index.docker.io/v1/"
_CONFIG = ".dockerconfigjson"


@maker("configmap", Made("configmaps", refused="configmap:"),
       "Create a config map from a local file, directory or literal value.", *FLAGS)  # fmt: skip
def configmap(session: Session, name: str, flags: dict[str, Any]) -> Object:
    texts, binaries = {}, {}
    for key, value in data("ConfigMap", name, flags).items():
        try:
            texts[key] = value.decode()
        except UnicodeDecodeError:
            binaries[key] = _encoded(value)
    content: Object = {**({"data": texts} if texts else {}), **({"binaryData": binaries} if binaries else {})}
    if flags["append_hash"]:
        name = f"{name}-{_hash({'data': {}, **content, 'kind': 'ConfigMap', 'name': name})}"
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta(session, name), **content}


@click.group("secret")
@with_common
def secret() -> None:
    """Create a secret using a specified subcommand."""


def _secret(verb: str, help_: str, *flags: Any) -> Callable[[Build], click.Command]:
    return maker(verb, Made("secrets", refused="secret"), help_, *flags)


def _made(session: Session, name: str, kind: str, content: dict[str, bytes], *, append_hash: bool) -> Object:
    shown = {key: _encoded(value) for key, value in content.items()}
    if append_hash:
        name = f"{name}-{_hash({'data': shown, 'kind': 'Secret', 'name': name, 'type': kind})}"
    made: Object = {"kind": "Secret", "apiVersion": "v1", "metadata": meta(session, name)}
    return {**made, **({"data": shown} if shown else {}), **({"type": kind} if kind else {})}


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _hash(content: Object) -> str:
    encoded = go_json(content).encode()
    return hashlib.sha256(encoded).hexdigest()[:10].translate(_DIGITS)


@_secret("generic", "Create a secret from a local file, directory, or literal value.", *FLAGS,
         click.option("--type", "type_", default="", help="The type of the secret."))  # fmt: skip
def _generic(session: Session, name: str, flags: dict[str, Any]) -> Object:
    content = data("Secret", name, flags)
    return _made(session, name, flags["type_"], content, append_hash=flags["append_hash"])


@_secret(
    "tls",
    "Create a TLS secret.",
    click.option("--cert", default="", help="File with the certificate, PEM."),
    click.option("--key", default="", help="File with its key, PEM."),
    FLAGS[-1],
)
def _tls(session: Session, name: str, flags: dict[str, Any]) -> Object:
    if not (flags["cert"] and flags["key"]):
        raise Failure("key and cert must be specified")
    certificate, key = read(flags["cert"]), read(flags["key"])
    _check_pair(certificate, key)
    content = {"tls.crt": certificate, "tls.key": key}
    return _made(session, name, "kubernetes.io/tls", content, append_hash=flags["append_hash"])


def _check_pair(certificate: bytes, key: bytes) -> None:
    """Raises Failure when these are no certificate and key, or do not belong together."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    for what, text in (("certificate", certificate), ("key", key)):
        if b"-----BEGIN " not in text:
            raise Failure(f"tls: failed to find any PEM data in {what} input")
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise Failure(f"tls: failed to parse certificate: {error}") from error
    try:
        own = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise Failure("tls: failed to parse private key") from error
    if own.public_key() != found.public_key():
        raise Failure("tls: private key does not match public key")


@_secret(
    "docker-registry",
    "Create a secret for use with a Docker registry.",
    click.option("--docker-username", default="", help="The user."),
    click.option("--docker-password", default="", help="The password."),
    click.option("--docker-email", default="", help="The mail address."),
    click.option("--docker-server", default=_REGISTRY, help="The registry."),
    click.option("--from-file", multiple=True, help="A file as Docker keeps it, instead of all these."),
    FLAGS[-1],
)
def _docker_registry(session: Session, name: str, flags: dict[str, Any]) -> Object:
    if flags["from_file"]:
        found = data(
            "Secret", name, {"from_file": _as_config(flags["from_file"]), "from_literal": (), "from_env_file": ()}
        )
    elif flags["docker_username"] and flags["docker_password"] and flags["docker_server"]:
        found = {_CONFIG: _login(flags)}
    else:
        raise Failure("either --from-file or the combination of --docker-username, --docker-password and "
                      "--docker-server is required")  # fmt: skip
    return _made(session, name, "kubernetes.io/dockerconfigjson", found, append_hash=flags["append_hash"])


def _as_config(files: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one if "=" in one else f"{_CONFIG}={one}" for one in files)


def _login(flags: dict[str, Any]) -> bytes:
    user, password, mail = flags["docker_username"], flags["docker_password"], flags["docker_email"]
    login = {"username": user, "password": password, **({"email": mail} if mail else {})}
    login["auth"] = _encoded(f"{user}:{password}".encode())
    return go_json({"auths": {flags["docker_server"]: login}}, sort_keys=False).encode()


for _one in (_generic, _tls, _docker_registry):
    secret.add_command(_one)

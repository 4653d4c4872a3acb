"""Config maps and secrets."""

import json
from collections.abc import Iterator
from typing import Final

from api.core import ConfigMap, Secret
from api.errors import FieldError, forbidden, invalid, required

_MAX_BYTES: Final = 1024 * 1024
_NEEDED: Final = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_BASIC: Final = ("username", "password")
_JSON: Final = (".dockercfg", ".dockerconfigjson")
_ACCOUNT: Final = "kubernetes.io/service-account.name"


def config_map_errors(item: ConfigMap) -> list[FieldError]:
    errors = [
        invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in item.data
        if key in item.binary_data
    ]
    size = sum(len(value.encode()) for value in item.data.values()) + sum(map(len, item.binary_data.values()))
    return errors + _too_long("", size)


def secret_errors(item: Secret) -> list[FieldError]:
    return [*_too_long("data", sum(map(len, item.data.values()))), *_content_errors(item)]


def _too_long(path: str, size: int) -> list[FieldError]:
    why = f"Too long: must have at most {_MAX_BYTES} bytes"
    return [FieldError(path, "FieldValueTooLong", why)] if size > _MAX_BYTES else []


def _content_errors(item: Secret) -> Iterator[FieldError]:
    """What a type of secret must hold."""
    if item.type == "kubernetes.io/service-account-token" and not item.metadata.annotations.get(_ACCOUNT):
        yield required(f"metadata.annotations[{_ACCOUNT}]")
    if item.type == "kubernetes.io/basic-auth" and not any(key in item.data for key in _BASIC):
        for key in _BASIC:
            yield required(f"data[{key}]")
    for key in _NEEDED.get(item.type, ()):
        if key not in item.data or (key == "ssh-privatekey" and not item.data[key]):
            yield required(f"data[{key}]")
        elif key in _JSON and not _is_json(item.data[key]):
            yield invalid(f"data[{key}]", "<secret contents redacted>", "invalid JSON")


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def config_map_update_errors(new: ConfigMap, old: ConfigMap) -> list[FieldError]:
    binary = ("binaryData", new.binary_data, old.binary_data)
    return _frozen_errors(old.immutable, new.immutable, ("data", new.data, old.data), binary)


def secret_update_errors(new: Secret, old: Secret) -> list[FieldError]:
    return _frozen_errors(old.immutable, new.immutable, ("data", new.data, old.data))


def _frozen_errors(was: bool | None, is_now: bool | None, *parts: tuple[str, object, object]) -> list[FieldError]:
    """An object that was made immutable stays so, and as it is."""
    if not was:
        return []
    why = "field is immutable when `immutable` is set"
    errors = [] if is_now else [forbidden("immutable", why)]
    return errors + [forbidden(path, why) for path, new, old in parts if new != old]

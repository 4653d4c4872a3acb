"""Credentials of image registries, from the secrets that a pod names. Pure.

The secrets hold Docker's own files: ``.dockerconfigjson`` ({"auths": {registry: ...}}) or the older ``.dockercfg``.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from api.core import Secret

DOCKER_HUB = "docker.io"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


def registry_of(image: str) -> str:
    """Host and port of the image's registry: the part before the first slash, if it looks like a host."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return DOCKER_HUB if first in _HUB_NAMES else first
    return DOCKER_HUB


def credentials_for(image: str, secrets: Iterable[Secret]) -> dict[str, str] | None:
    """User and password for the image's registry, as Docker takes them; None when no secret knows the registry."""
    wanted = registry_of(image)
    for secret in secrets:
        for name, entry in _entries(secret).items():
            host = name.removeprefix("https://").removeprefix("http://").partition("/")[0]
            if (DOCKER_HUB if host in _HUB_NAMES else host) == wanted and isinstance(entry, dict):
                return _user_and_password(entry)
    return None


def _entries(secret: Secret) -> Mapping[str, Any]:
    """Registry to entry; a secret of another form knows none."""
    try:
        if ".dockerconfigjson" in secret.data:
            document = msgspec.json.decode(secret.data[".dockerconfigjson"])
            entries = document.get("auths", {}) if isinstance(document, dict) else {}
        else:
            entries = msgspec.json.decode(secret.data.get(".dockercfg", b"{}"))
    except msgspec.DecodeError:
        return {}
    return entries if isinstance(entries, dict) else {}


def _user_and_password(entry: Mapping[str, Any]) -> dict[str, str]:
    user, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if not user and entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except ValueError:
            return {"username": "", "password": ""}
    return {"username": user, "password": password}

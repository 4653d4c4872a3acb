"""kubeconfig files as every Kubernetes client reads them: one cluster, one user, certificates embedded."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from client import documents
from client.files import write_atomically
from client.kubeconfig import EXTENSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """What one file says; `ca`, `certificate` and `key` are PEM. `others` are further API servers of the cluster."""

    server: str
    ca: bytes
    certificate: bytes
    key: bytes
    user: str
    cluster: str = "steersman"
    others: tuple[str, ...] = ()


def write_kubeconfig(path: Path, config: Kubeconfig) -> None:
    """Write it whole and readable by its owner alone."""
    write_atomically(path, render(config), mode=0o600)


def render(config: Kubeconfig) -> bytes:
    """JSON, which every reader of YAML takes, and ours without PyYAML."""
    context = f"{config.user}@{config.cluster}"
    cluster: dict[str, Any] = {"server": config.server, "certificate-authority-data": _encoded(config.ca)}
    if config.others:
        cluster["extensions"] = [{"name": EXTENSION, "extension": {"servers": list(config.others)}}]
    user = {"client-certificate-data": _encoded(config.certificate), "client-key-data": _encoded(config.key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": config.cluster, "cluster": cluster}],
        "users": [{"name": config.user, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": config.cluster, "user": config.user}}],
        "current-context": context,
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def parse(data: bytes) -> Kubeconfig:
    """Read back what `render` writes. Raises ValueError for anything else."""
    try:
        document = documents.parse(data)
        cluster, user = document["clusters"][0], document["users"][0]
        return Kubeconfig(
            server=str(cluster["cluster"]["server"]),
            ca=base64.b64decode(cluster["cluster"]["certificate-authority-data"]),
            certificate=base64.b64decode(user["user"]["client-certificate-data"]),
            key=base64.b64decode(user["user"]["client-key-data"]),
            user=str(user["name"]),
            cluster=str(cluster["name"]),
            others=_others(cluster["cluster"]),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"not a kubeconfig of ours: {error!r}") from error


def _others(cluster: dict[str, Any]) -> tuple[str, ...]:
    (known,) = cluster.get("extensions") or [{"extension": {"servers": []}}]
    return tuple(known["extension"]["servers"])


def _encoded(pem: bytes) -> str:
    return base64.b64encode(pem).decode("ascii")

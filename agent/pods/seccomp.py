"""Seccomp profiles of the node: files below ``data-dir/seccomp`` that pods choose by name (type Localhost).

Docker takes a profile as text, not as a path; it is read anew for each start. The messages are those of the kubelet
with Docker.
https://kubernetes.io/docs/tutorials/security/seccomp/
"""

import json
from pathlib import Path

from agent.pods.problems import ConfigError, CreateError
from api.core import Container, Pod, PodSecurityContext, SecurityContext

_NOT_GENERATED = "failed to generate seccomp security options for container"


def security_option(pod: Pod, container: Container, folder: Path) -> str:
    """Docker's security option; empty for its own filter. Raises ConfigError, and CreateError for a bad file."""
    security = container.security_context or SecurityContext()
    wanted = security.seccomp_profile or (pod.spec.security_context or PodSecurityContext()).seccomp_profile
    if wanted is None or wanted.type == "RuntimeDefault":
        return ""
    if wanted.type == "Unconfined":
        return "seccomp=unconfined"
    if not wanted.localhost_profile:
        raise ConfigError("localhostProfile must be set if seccompProfile type is Localhost.")
    return f"seccomp={_profile(folder, wanted.localhost_profile)}"


def _profile(folder: Path, name: str) -> str:
    """The file in one line. The API refuses a name that leads out of the folder; another API server may not."""
    if name.startswith("/") or ".." in name.split("/"):
        raise ConfigError(f"localhostProfile: {name!r} must be a relative path without '..'")
    path = folder / name
    try:
        return json.dumps(json.loads(path.read_bytes()), separators=(",", ":"))
    except OSError as error:
        why = f"open {path}: {(error.strerror or str(error)).lower()}"
    except (ValueError, RecursionError) as error:
        why = f"it is not JSON: {error}"
    raise CreateError(f'{_NOT_GENERATED}: cannot load seccomp profile "{path}": {why}')

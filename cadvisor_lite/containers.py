"""What Docker knows of a container, and the labels its metrics carry. Pure: values in, values out.

Pod, namespace and container come from the labels that the kubelet (and Steersman's agent) put on Docker containers,
not from the container's name or its cgroup path. A container without them is a plain Docker container: the three
labels are empty, `name`, `image` and `id` are there all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_POD = "io.kubernetes.pod.name"
_NAMESPACE = "io.kubernetes.pod.namespace"
_CONTAINER = "io.kubernetes.container.name"
_TYPE = "io.kubernetes.docker.type"
SANDBOX_CONTAINER = "POD"


@dataclass(frozen=True, slots=True)
class Container:
    """A running container. `owns_network`: its interfaces are its own, neither another container's nor the host's.

    `layer`: the directory that it writes to, "" where the storage driver has none. `log_path`: of its output.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    pid: int
    created_s: float
    started_s: float
    owns_network: bool
    image_id: str = ""
    layer: str = ""
    log_path: str = ""

    @property
    def pod(self) -> str:
        return self.labels.get(_POD, "")

    @property
    def namespace(self) -> str:
        return self.labels.get(_NAMESPACE, "")

    @property
    def container(self) -> str:
        """The container's name inside its pod; "POD" for the sandbox."""
        if self.labels.get(_TYPE) == "podsandbox":
            return SANDBOX_CONTAINER
        return self.labels.get(_CONTAINER, "")


def container_from_inspect(document: Mapping[str, Any]) -> Container | None:
    """A container from Docker's inspect document; None when it does not run. Raises KeyError when it is none."""
    state, config = document["State"], document["Config"]
    if not state["Running"] or not state["Pid"]:
        return None
    mode: str = document["HostConfig"].get("NetworkMode") or "default"
    labels = config.get("Labels") or {}
    return Container(
        id=document["Id"],
        name=document["Name"].removeprefix("/"),
        image=config.get("Image") or document["Image"],
        labels=labels,
        pid=state["Pid"],
        created_s=parse_docker_time(document["Created"]),
        started_s=parse_docker_time(state["StartedAt"]),
        owns_network=mode != "host" and not mode.startswith("container:"),
        image_id=document["Image"],
        layer=((document.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir") or "",
        log_path=document.get("LogPath") or "",
    )


def parse_docker_time(text: str) -> float:
    """RFC 3339 with up to nine digits of fraction as Unix time; Docker's zero time is 0."""
    if text.startswith("0001-"):
        return 0.0
    whole, _, rest = text.partition(".")
    if not rest:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    digits = rest.rstrip("Z")
    zone = "+00:00"
    for sign in "+-":
        if sign in digits:
            digits, _, offset = digits.partition(sign)
            zone = sign + offset
    return datetime.fromisoformat(f"{whole}.{digits[:6]:0<6}{zone}").timestamp()

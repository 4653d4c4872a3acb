"""What Docker knows of one of our containers, and the names and labels by which we know it again.

Names and labels are those of Kubernetes with Docker, so that log and monitoring tools work unchanged. All that the
agent must remember of a container (attempt, back-off level, what it was made from) is in its labels: another start of
the agent reads the same as this one wrote.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from api import grace
from api.codec import encode
from api.core import Container, Pod
from api.grace import DEFAULT_GRACE_S

CONTAINER_NAME = "io.kubernetes.container.name"
POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
SANDBOX_ID = "io.kubernetes.sandbox.id"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TYPE = "io.kubernetes.docker.type"
GRACE = "io.kubernetes.pod.terminationGracePeriod"
CLUSTER = "io.steersman.cluster"
SPEC_HASH = "io.steersman.container.hash"
BACKOFF_LEVEL = "io.steersman.container.backoff-level"
IMAGE_DIGEST = "io.steersman.container.image-digest"

SANDBOX_CONTAINER = "POD"


class State(Enum):
    """Where a container is in its life. FAILED: it was made, but Docker could not start it."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecord:
    """One container or sandbox of ours, as inspected last.

    attempt: how often the container was started before. level: how many quick ends in a row lie behind it. ip: address
    on the pod network, of sandboxes only. layer: folder of what it has written itself; empty where there is none for it
    alone. grace_s: the pod's grace, for when the pod itself is no longer known.
    """

    id: str
    container: str
    pod_name: str
    namespace: str
    uid: str
    attempt: int
    state: State
    created_at: datetime
    sandbox_id: str = ""
    spec_hash: str = ""
    level: int = 0
    pid: int = 0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    image: str = ""
    image_id: str = ""
    image_digest: str = ""  # name and digest under which a registry has it; empty for one that was made here
    ip: str = ""
    stop_signal: str = "SIGTERM"
    grace_s: int = DEFAULT_GRACE_S
    log_path: str = ""
    layer: str = ""
    host_network: bool = False

    @property
    def is_sandbox(self) -> bool:
        return self.container == SANDBOX_CONTAINER

    @property
    def image_reference(self) -> str:
        """As the kubelet tells it of Docker."""
        if self.image_digest:
            return f"docker-pullable://{self.image_digest}"
        return f"docker://{self.image_id}" if self.image_id else ""

    @property
    def running(self) -> bool:
        return self.state is State.RUNNING

    @property
    def ended(self) -> bool:
        return self.state in (State.EXITED, State.FAILED)

    @property
    def ran_s(self) -> float:
        """How long an ended container ran."""
        if self.started_at is None or self.finished_at is None:
            return 0.0
        return (self.finished_at - self.started_at).total_seconds()


def container_name(pod: Pod, container: str, attempt: int) -> str:
    """k8s_<container>_<pod>_<namespace>_<uid>_<attempt>."""
    return f"k8s_{container}_{pod.metadata.name}_{pod.metadata.namespace}_{pod.metadata.uid}_{attempt}"


def pod_labels(pod: Pod, *, cluster: str, container: str, attempt: int) -> dict[str, str]:
    """The labels that the pod's containers and its sandbox have in common."""
    kind = "podsandbox" if container == SANDBOX_CONTAINER else "container"
    grace_s = grace.seconds(pod.spec.termination_grace_period_seconds)
    return {
        CONTAINER_NAME: container,
        POD_NAME: pod.metadata.name,
        POD_NAMESPACE: pod.metadata.namespace,
        POD_UID: pod.metadata.uid,
        RESTART_COUNT: str(attempt),
        TYPE: kind,
        GRACE: str(grace_s),
        CLUSTER: cluster,
    }


def spec_hash(container: Container) -> str:
    """Changes when a running container must be replaced: Kubernetes lets only the image of a pod change."""
    return hashlib.sha256(encode([container.name, container.image])).hexdigest()[:16]


def record_from_inspect(document: Mapping[str, Any]) -> ContainerRecord | None:
    """A record from Docker's inspect document; None for a container without our labels."""
    config, state = document["Config"], document["State"]
    labels = config.get("Labels") or {}
    if CLUSTER not in labels or POD_UID not in labels or CONTAINER_NAME not in labels:
        return None
    created = parse_time(document["Created"])
    if created is None:
        return None
    host = document.get("HostConfig") or {}
    return ContainerRecord(
        id=document["Id"],
        container=labels[CONTAINER_NAME],
        pod_name=labels.get(POD_NAME, ""),
        namespace=labels.get(POD_NAMESPACE, ""),
        uid=labels[POD_UID],
        attempt=_number(labels.get(RESTART_COUNT)),
        state=_state(state),
        created_at=created,
        sandbox_id=labels.get(SANDBOX_ID, ""),
        spec_hash=labels.get(SPEC_HASH, ""),
        level=_number(labels.get(BACKOFF_LEVEL)),
        pid=state.get("Pid", 0),
        exit_code=state.get("ExitCode", 0),
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error", ""),
        started_at=parse_time(state.get("StartedAt", "")),
        finished_at=parse_time(state.get("FinishedAt", "")),
        image=config.get("Image", ""),
        image_id=document.get("Image", ""),
        image_digest=labels.get(IMAGE_DIGEST, ""),
        ip=_address(document),
        stop_signal=config.get("StopSignal") or "SIGTERM",
        grace_s=_number(labels.get(GRACE), DEFAULT_GRACE_S),
        log_path=document.get("LogPath", ""),
        layer=((document.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir", ""),
        host_network=host.get("NetworkMode") == "host",
    )


def _state(state: Mapping[str, Any]) -> State:
    """Docker leaves a container that it could not start in "created", with an exit code that is not 0."""
    if state.get("Running"):
        return State.RUNNING
    if state.get("Status") == "created" or parse_time(state.get("StartedAt", "")) is None:
        return State.FAILED if state.get("ExitCode") else State.CREATED
    return State.EXITED


def _address(document: Mapping[str, Any]) -> str:
    networks = (document.get("NetworkSettings") or {}).get("Networks") or {}
    for network in networks.values():
        if network and network.get("IPAddress"):
            return str(network["IPAddress"])
    return ""


def _number(text: str | None, default: int = 0) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else default


def parse_time(text: str) -> datetime | None:
    """RFC 3339 with up to nine digits of fraction, cut to six; None for Docker's zero time."""
    if not text or text.startswith("0001-"):
        return None
    whole, _, rest = text.partition(".")
    if not rest:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    digits = len(rest) - len(rest.lstrip("0123456789"))
    zone = rest[digits:].replace("Z", "+00:00")
    return datetime.fromisoformat(f"{whole}.{rest[:digits][:6]:0<6}{zone}").astimezone(UTC)
